package client_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"vchat/daemon/api"
	"vchat/daemon/client"
	"vchat/daemon/control/controltest"
)

func ExampleClient_Events() {
	socket, stop := startExample() // on a device: api.DefaultSocket
	defer stop()

	c := client.New(socket)
	defer c.Close()
	events, err := c.Events(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	defer events.Close()
	for {
		e, err := events.Next()
		if err != nil {
			log.Fatal(err)
		}
		switch e.Event {
		case api.EventState:
			fmt.Println("connected to", e.Status.Name)
		case api.EventText:
			fmt.Printf("%s: %s\n", e.Peer, e.Text)
			return
		}
	}
	// Output:
	// connected to kitchen
	// workshop: tea?
}

// startExample serves a fake device that publishes a message every 10 ms.
func startExample() (socket string, stop func()) {
	dir, err := os.MkdirTemp("", "vchat")
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	d := controltest.New()
	socket = filepath.Join(dir, "control.sock")
	wait, err := controltest.Serve(ctx, d, socket)
	if err != nil {
		log.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			d.Events.Publish(api.Event{Event: api.EventText, Peer: "workshop", From: api.SideRemote, Text: "tea?"})
			time.Sleep(10 * time.Millisecond)
		}
	}()
	return socket, func() {
		cancel()
		<-done
		if err := wait(); err != nil {
			log.Fatal(err)
		}
		os.RemoveAll(dir)
	}
}
