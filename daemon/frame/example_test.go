package frame_test

import (
	"context"
	"fmt"

	"vchat/daemon/frame"
)

// A slow reader gets the newest frame and learns how many it missed.
func ExampleHub() {
	pool, hub := frame.NewPool(2), frame.NewHub()
	reader := hub.Subscribe()
	defer reader.Close()

	for seq := range uint64(3) {
		f := pool.Get(1000)
		f.Seq = seq
		hub.Publish(f) // takes over the reference
	}

	f, err := reader.Next(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Release()
	fmt.Printf("frame %d, %d dropped\n", f.Seq, reader.Dropped())
	// Output: frame 2, 2 dropped
}
