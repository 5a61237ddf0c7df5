// Package soak runs two real daemons in a call for a long time, with a fault at
// random moments, and checks every frame that arrives:
//
//	camera ─▶ vchatd alice ◀── proxy ──▶ vchatd bob ◀─ camera
//	               │       (cut, stall, slow)    │
//	               ▼                             ▼
//	            checker                       checker
//
// It has tests only. The short run is part of go test. The long one is
//
//	go test ./daemon/soak -run TestSoak -v -timeout 3h -frames 1000000 -out DIR
//
// and writes soak.svg and soak.md to DIR. It prints its seed. With -seed the
// faults come in the same order again, on the same devices, for the same time.
//
// The test checks:
//   - Each frame is byte for byte the camera's, or the same image in fewer
//     bytes if the link was slow. Frames arrive in order and once.
//   - Each outage ends within the time that its fault allows, times -slack.
//   - The call is the same one until the end.
//   - Memory, descriptors, threads and goroutines do not grow.
//
// The cameras are this test's own program, which numbers its frames, as
// exec:COMMAND. The faults are in faults_test.go. A full disk needs root, for a
// small file system; without, it is left out.
package soak
