package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"vchat/daemon/api"
)

// writeControls is a line for each control: its name, its value, and those that it may have.
func writeControls(w io.Writer, all api.Controls) {
	fmt.Fprintf(w, "%s\n\n", join("  ", all.Device, all.Name))
	table(w, func(w io.Writer) {
		for _, c := range all.Controls {
			fmt.Fprintf(w, "%s\t%s\t%s\n", c.Name, valueText(c, c.Value), rangeText(c))
		}
	})
	if len(all.Controls) == 0 {
		fmt.Fprintln(w, "the camera has no controls")
	}
}

// valueText is a value of a control as one sets it.
func valueText(c api.Control, value *int64) string {
	switch {
	case value == nil:
		return "-"
	case c.Type == "bool":
		return onOff(*value != 0)
	case c.Type == "menu", c.Type == "intmenu":
		for _, m := range c.Menu {
			if m.Value == *value {
				return m.Name
			}
		}
	case c.Type == "bitmask":
		return fmt.Sprintf("0x%x", *value)
	}
	return strconv.FormatInt(*value, 10)
}

// rangeText says what a control takes.
func rangeText(c api.Control) string {
	usual, flags := "", ""
	switch c.Type {
	case "button":
		return "a button, which is pressed by on"
	case "", "string":
		return "not a number, cannot be set here"
	case "bool":
		usual = "on or off"
	case "menu", "intmenu":
		var names []string
		for _, m := range c.Menu {
			names = append(names, m.Name)
		}
		usual = strings.Join(names, " | ")
	case "bitmask":
		usual = fmt.Sprintf("bits of 0x%x", c.Max)
	default:
		usual = fmt.Sprintf("%d to %d", c.Min, c.Max)
		if c.Step > 1 {
			usual += fmt.Sprintf(" in steps of %d", c.Step)
		}
	}
	switch {
	case c.ReadOnly:
		return join("; ", usual, "can only be read")
	case c.Inactive:
		flags = "no effect now: another control decides"
	}
	return join("; ", usual, "default "+valueText(c, &c.Default), flags)
}
