// Vchatd is the vchat daemon: see package command.
package main

import (
	"os"

	"vchat/cmd/vchatd/command"
)

func main() { os.Exit(command.Main()) }
