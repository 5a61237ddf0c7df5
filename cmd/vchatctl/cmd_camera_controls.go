package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"vchat/daemon/api"
)

// writeControls writes a line for each control: name, value, possible values.
func writeControls(w io.Writer, all api.Controls) {
	fmt.Fprintf(w, "%s\n\n", join("  ", all.Device, all.Name))
	table(w, func(w io.Writer) {
		for _, c := range all.Controls {
			fmt.Fprintf(w, "%s\t%s\t%s\n", c.Name, valueText(c, c.Value), rangeText(c))
		}
	})
	if len(all.Controls) == 0 {
		fmt.Fprintln(w, "no controls")
	}
}

// valueText returns a control's value in the form that set accepts.
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

// rangeText returns the values that a control accepts.
func rangeText(c api.Control) string {
	values, note := "", ""
	switch c.Type {
	case "button":
		return "button; on presses it"
	case "", "string":
		return "not a number; cannot be set"
	case "bool":
		values = "on or off"
	case "menu", "intmenu":
		var names []string
		for _, m := range c.Menu {
			names = append(names, m.Name)
		}
		values = strings.Join(names, " | ")
	case "bitmask":
		values = fmt.Sprintf("bits of 0x%x", c.Max)
	default:
		values = fmt.Sprintf("%d to %d", c.Min, c.Max)
		if c.Step > 1 {
			values += fmt.Sprintf(" in steps of %d", c.Step)
		}
	}
	switch {
	case c.ReadOnly:
		return join("; ", values, "read-only")
	case c.Inactive:
		note = "inactive: overridden by another control"
	}
	return join("; ", values, "default "+valueText(c, &c.Default), note)
}
