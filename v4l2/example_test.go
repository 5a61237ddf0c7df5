package v4l2_test

import (
	"errors"
	"fmt"
	"log"
	"time"

	"golang.org/x/sys/unix"

	"vchat/v4l2"
	"vchat/v4l2/v4l2test"
)

// List the cameras, the preferred one first. With a nil Kernel this lists the
// cameras of the machine.
func ExampleList() {
	kernel := v4l2test.New()
	kernel.Plug(v4l2test.Device{Card: "Infrared", Formats: []v4l2test.Format{
		{FourCC: v4l2.GREY, Sizes: [][2]int{{640, 480}}},
	}})
	kernel.Plug(v4l2test.Device{Card: "HD Webcam", ID: "usb-HD_Webcam-video-index0"})

	cameras, err := v4l2.List(kernel)
	if err != nil {
		log.Fatal(err)
	}
	for _, c := range cameras {
		fmt.Println(c.Path, c.Card, c.Formats)
	}
	// Output:
	// /dev/v4l/by-id/usb-HD_Webcam-video-index0 HD Webcam [MJPG YUYV]
	// /dev/video0 Infrared [GREY]
}

// Negotiate a mode and take three frames. The camera has no 1920x1080, so Open
// uses the nearest size and adds a warning.
func ExampleOpen() {
	kernel := v4l2test.New()
	kernel.Plug(v4l2test.Device{})

	camera, err := v4l2.Open(v4l2.Config{
		Kernel: kernel, // omit it for the cameras of the machine
		Device: "auto",
		Width:  1920, Height: 1080, FPS: 30,
		Controls: map[string]string{"power_line_frequency": "50hz"},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer camera.Close()
	for _, w := range camera.Warnings() {
		fmt.Println(w)
	}
	mode := camera.Mode()
	fmt.Printf("%v %dx%d, %v frames a second\n", mode.Format, mode.Width, mode.Height, mode.FPS)

	for range 3 {
		frame, err := camera.Next(10 * time.Second)
		if err != nil {
			log.Fatal(err)
		}
		if !frame.Error {
			fmt.Printf("frame %d starts with % x\n", frame.Sequence, frame.Data[:2])
		}
		if err := camera.Release(frame); err != nil {
			log.Fatal(err)
		}
	}
	// Output:
	// /dev/video0 has no 1920x1080 in MJPG; using the nearest size, 1280x720
	// MJPG 1280x720, 30 frames a second
	// frame 0 starts with ff d8
	// frame 1 starts with ff d8
	// frame 2 starts with ff d8
}

// Errors match a kind and an errno, and their text is for users.
func ExampleClassify() {
	kernel := v4l2test.New()
	camera := kernel.Plug(v4l2test.Device{})
	camera.Script(func(f *v4l2test.Faults) { f.Busy = "vlc" })

	_, err := v4l2.Open(v4l2.Config{Kernel: kernel, Device: "auto"})
	fmt.Println(err)
	fmt.Println(errors.Is(err, v4l2.ErrBusy), errors.Is(err, unix.EBUSY))
	fmt.Println(v4l2.Classify(err) == v4l2.RetryLoudly)
	// Output:
	// /dev/video0: the camera is in use by vlc (S_FMT: device or resource busy)
	// true true
	// true
}

// Wait for a camera to be plugged in. Start the Watcher before the first Find,
// so that no change is missed.
func ExampleWatch() {
	kernel := v4l2test.New()
	watcher, err := v4l2.Watch(kernel)
	if err != nil {
		log.Fatal(err)
	}
	defer watcher.Close()

	_, err = v4l2.Find(kernel, "auto")
	fmt.Println(err)
	kernel.Plug(v4l2test.Device{})
	<-watcher.Changed()
	camera, err := v4l2.Find(kernel, "auto")
	fmt.Println(camera.Path, err)
	// Output:
	// auto: no camera is connected
	// /dev/video0 <nil>
}

// Set a control by a name of its menu, also during a stream.
func ExampleSetControls() {
	kernel := v4l2test.New()
	kernel.Plug(v4l2test.Device{})

	changes, err := v4l2.SetControls(kernel, "auto", map[string]string{
		"auto_exposure":          "manual mode",
		"exposure_time_absolute": "300",
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, c := range changes {
		fmt.Println(c.After.Name, c.Before.Value, c.After.Value)
	}
	// Output:
	// auto_exposure 3 1
	// exposure_time_absolute 156 300
}
