package mjpeg_test

import (
	"fmt"

	"vchat/daemon/mjpeg"
)

// A camera's buffer is checked before it is used. Many cameras omit the
// Huffman tables; Complete inserts them and drops the padding.
func ExampleCheck() {
	e := mjpeg.NewEncoder(80)
	frame, err := e.EncodeGrey(nil, make([]byte, 64*48), 64, 48, 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	buffer := append(frame, 0, 0, 0) // padding
	info, err := mjpeg.Check(buffer)
	if err != nil {
		fmt.Println(err)
		return
	}
	complete := mjpeg.Complete(make([]byte, 0, mjpeg.CompletedLen(info)), buffer, info)
	fmt.Printf("%dx%d, tables %v, %d of %d bytes\n", info.Width, info.Height, info.Tables, len(complete), len(buffer))

	_, err = mjpeg.Check(frame[:len(frame)/2])
	fmt.Println(err)
	// Output:
	// 64x48, tables true, 364 of 367 bytes
	// truncated JPEG frame after 182 bytes
}
