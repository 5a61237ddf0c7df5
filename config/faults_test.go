package config

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Frequent parts of messages.
const (
	topKeys = `valid keys: name, listen, camera, peers, relay, relay_proxy, calls, discovery, control, ` +
		`metrics, feeds, state_dir, hooks, log`
	listenForm = `must be HOST:PORT or :PORT with a port from 1 to 65535 and an IPv6 address in brackets, ` +
		`such as ":7450" or "[::1]:7450", not `
	metricsForm = `must be HOST:PORT or :PORT with a port from 1 to 65535 and an IPv6 address in brackets, ` +
		`such as "127.0.0.1:7451", not `
	addressForm = `must be HOST:PORT with a port from 1 to 65535 and an IPv6 address in brackets, ` +
		`such as workshop.local:7450 or "[fe80::1%eth0]:7450", not `
	relayForm = `must be HOST:PORT with a port from 1 to 65535 and an IPv6 address in brackets, ` +
		`such as vps.example.org:4001 or "[2001:db8::7]:4001", not `
	proxyForm    = `must be socks5://HOST:PORT or socks5://USER:PASSWORD@HOST:PORT, such as "socks5://127.0.0.1:9050"`
	deviceForm   = `must be auto, an absolute path such as /dev/video0, test, file:PATH or exec:COMMAND, not `
	sizeForm     = `must be WIDTHxHEIGHT such as 1280x720, both even and from 16 to 8192, not `
	peerNameForm = `a peer name must be 1 to 32 characters of a-z A-Z 0-9 . _ - ` +
		`and start with a letter or digit, not `
	nameForm       = `must be 1 to 64 printable characters without leading or trailing blanks, not `
	programForm    = `must start with the absolute path of a program, such as /usr/bin/logger, not `
	argvForm       = `must be a list of a program and its arguments, such as [/usr/bin/logger, hello], not `
	aliasesText    = `anchors ("&") and aliases ("*") are not supported: write the value itself, or put it in quotes`
	tagsText       = `tags ("!") are not supported: remove it, or put the text in quotes`
	directivesText = `directives ("%") are not supported: remove the line`
	misplacedText  = `this does not fit the text before it: check indentation and quotes`
	colonText      = `unexpected ":": check the line before and the indentation; a text that contains ": " needs quotes`

	peerHeader = "peers:\n  a:\n    id: " + workshopID + "\n    "
)

type lines []string

// badFiles are files and all their faults as LINE:COL: message.
var badFiles = []struct {
	file string
	want lines
}{
	// Keys.
	{"camrea: {}\n", lines{`1:1: unknown key "camrea": did you mean "camera"?`}},
	{"Camera: {}\n", lines{`1:1: unknown key "Camera": did you mean "camera"?`}},
	{"x: 1\n", lines{`1:1: unknown key "x": ` + topKeys}},
	{"camera:\n  fsp: 30\n  resolution: 1280x720\n", lines{
		`2:3: unknown key "fsp": did you mean "fps"?`,
		`3:3: unknown key "resolution": did you mean "size"?`,
	}},
	{"peers:\n  a: {id: " + workshopID + ", addrss: \"\"}\n",
		lines{`2:84: unknown key "addrss": did you mean "address"?`}},
	{"hooks: {rang: [a]}\n", lines{`1:9: unknown key "rang": did you mean "ring"?`}},
	{"ä: 1\n", lines{`1:1: unknown key "ä": ` + topKeys}},
	{"\"\": 1\n", lines{`1:1: unknown key "": ` + topKeys}},
	{strings.Repeat("k", 60) + ": 1\n",
		lines{`1:1: unknown key "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk…": ` + topKeys}},
	{"~: 1\n", lines{`1:1: unknown key "~": ` + topKeys}},
	{"\"a\\nb\": 1\n", lines{`1:1: unknown key "a\nb": ` + topKeys}},
	{"[a]: b\n", lines{`1:1: a key must be text, not a list`}},
	{"? {a: b}\n: c\n", lines{`1:3: a key must be text, not a map`}},
	{"? [name, listen]\n", lines{`1:3: a key must be text, not a list`}},
	{"name: a\nname: b\n", lines{`2:1: duplicate key name: first in line 1`}},
	{"listen: x\ncamera: {}\ncamera: {fps: 0}\n", lines{
		`1:9: listen ` + listenForm + `"x"`,
		`3:1: duplicate key camera: first in line 2`,
		`3:15: camera.fps must be a whole number from 1 to 240, not "0"`,
	}},
	{"camera:\n  fps: 25\n  size: 640x480\n  fps: 25\n", lines{`4:3: duplicate key camera.fps: first in line 2`}},

	// Sections.
	{"- a\n", lines{`1:1: the file must contain "KEY: VALUE" lines, not a list`}},
	{"kitchen\n", lines{`1:1: the file must contain "KEY: VALUE" lines, not "kitchen"`}},
	{"\"\"\n", lines{`1:1: the file must contain "KEY: VALUE" lines, not the text ""`}},
	{"camera: auto\n", lines{`1:9: camera must contain "KEY: VALUE" lines, not "auto"`}},
	{"camera: [auto]\n", lines{`1:9: camera must contain "KEY: VALUE" lines, not a list`}},
	{"calls: 1\n", lines{`1:8: calls must contain "KEY: VALUE" lines, not "1"`}},
	{"control: /run/vchat.sock\n", lines{`1:10: control must contain "KEY: VALUE" lines, not "/run/vchat.sock"`}},
	{"log: info\n", lines{`1:6: log must contain "KEY: VALUE" lines, not "info"`}},
	{"peers: [a]\n", lines{`1:8: peers must contain "KEY: VALUE" lines, not a list`}},
	{"peers:\n  a: x\n", lines{`2:6: peers.a must contain "KEY: VALUE" lines, not "x"`}},
	{"camera: {controls: [a]}\n", lines{`1:20: camera.controls must contain "KEY: VALUE" lines, not a list`}},

	// Text.
	{"name: \"\"\n", lines{`1:7: name ` + nameForm + `""`}},
	{"name: [a]\n", lines{`1:7: name must be text, not a list`}},
	{"name: {a: b}\n", lines{`1:7: name must be text, not a map`}},
	{"name: ' a'\n", lines{`1:7: name ` + nameForm + `" a"`}},
	{"name: \"a\\tb\"\n", lines{`1:7: name must be one line without control characters, not "a\tb"`}},
	{"name: \"a\\u200db\"\n", lines{`1:7: name ` + nameForm + `"a\u200db"`}},
	{"name: " + strings.Repeat("ä", 65) + "\n",
		lines{`1:7: name ` + nameForm + `"ääääääääääääääääääääääääääääääääääääääää…"`}},
	{"name: |\n  kitchen\n", lines{`1:7: name must be one line without control characters, not "kitchen\n"`}},

	// Addresses.
	{"listen: 7450\n", lines{`1:9: listen ` + listenForm + `"7450"`}},
	{"listen: :0\n", lines{`1:9: listen ` + listenForm + `":0"`}},
	{"listen: :65536\n", lines{`1:9: listen ` + listenForm + `":65536"`}},
	{"listen: :07450\n", lines{`1:9: listen ` + listenForm + `":07450"`}},
	{"listen: :http\n", lines{`1:9: listen ` + listenForm + `":http"`}},
	{"listen: \"::1:7450\"\n", lines{`1:9: listen ` + listenForm + `"::1:7450"`}},
	{"listen: \"[kitchen]:7450\"\n", lines{`1:9: listen ` + listenForm + `"[kitchen]:7450"`}},
	{"listen: 1.2.3.400:7450\n", lines{`1:9: listen ` + listenForm + `"1.2.3.400:7450"`}},
	{"listen: a..b:7450\n", lines{`1:9: listen ` + listenForm + `"a..b:7450"`}},
	{"listen: -a:7450\n", lines{`1:9: listen ` + listenForm + `"-a:7450"`}},
	{"listen: a b:7450\n", lines{`1:9: listen ` + listenForm + `"a b:7450"`}},
	{"metrics: localhost\n", lines{`1:10: metrics ` + metricsForm + `"localhost"`}},
	{peerHeader + "address: workshop.local\n",
		lines{`4:14: peers.a.address must include a port, such as workshop.local:7450, not only "workshop.local"`}},
	{peerHeader + "address: 192.168.1.7\n",
		lines{`4:14: peers.a.address must include a port, such as 192.168.1.7:7450, not only "192.168.1.7"`}},
	{peerHeader + "address: workshop.local:http\n",
		lines{`4:14: peers.a.address ` + addressForm + `"workshop.local:http"`}},
	{peerHeader + "address: fe80::1:7450\n", lines{`4:14: peers.a.address ` + addressForm + `"fe80::1:7450"`}},
	{peerHeader + "address: http://a:7450\n", lines{`4:14: peers.a.address ` + addressForm + `"http://a:7450"`}},
	{peerHeader + "address: :7450\n", lines{`4:14: peers.a.address ` + addressForm + `":7450"`}},
	{peerHeader + "address: \"[fe80::1]\"\n", lines{`4:14: peers.a.address ` + addressForm + `"[fe80::1]"`}},

	// The camera.
	{"camera: {device: video0}\n", lines{`1:18: camera.device ` + deviceForm + `"video0"`}},
	{"camera: {device: Auto}\n", lines{`1:18: camera.device ` + deviceForm + `"Auto"`}},
	{"camera: {device: \"\"}\n", lines{`1:18: camera.device ` + deviceForm + `""`}},
	{"camera: {device: 'file:'}\n", lines{`1:18: camera.device ` + deviceForm + `"file:"`}},
	{"camera: {device: 'exec: '}\n", lines{`1:18: camera.device ` + deviceForm + `"exec: "`}},
	{"camera: {device: /}\n", lines{`1:18: camera.device ` + deviceForm + `"/"`}},
	{"camera: {device: 0}\n", lines{`1:18: camera.device ` + deviceForm + `"0"`}},
	{"camera: {device: \"/dev/video0\\0\"}\n",
		lines{`1:18: camera.device must be one line without control characters, not "/dev/video0\x00"`}},
	{"camera: {size: 1280}\n", lines{`1:16: camera.size ` + sizeForm + `"1280"`}},
	{"camera: {size: 1281x720}\n", lines{`1:16: camera.size ` + sizeForm + `"1281x720"`}},
	{"camera: {size: 1280x14}\n", lines{`1:16: camera.size ` + sizeForm + `"1280x14"`}},
	{"camera: {size: 8194x720}\n", lines{`1:16: camera.size ` + sizeForm + `"8194x720"`}},
	{"camera: {size: 1280x720x3}\n", lines{`1:16: camera.size ` + sizeForm + `"1280x720x3"`}},
	{"camera: {size: 1280 x 720}\n", lines{`1:16: camera.size ` + sizeForm + `"1280 x 720"`}},
	{"camera: {size: 01280x720}\n", lines{`1:16: camera.size ` + sizeForm + `"01280x720"`}},
	{"camera: {size: -16x16}\n", lines{`1:16: camera.size ` + sizeForm + `"-16x16"`}},
	{"camera: {size: [1280, 720]}\n", lines{`1:16: camera.size ` + sizeForm + `a list`}},
	{"camera: {fps: 0}\n", lines{`1:15: camera.fps must be a whole number from 1 to 240, not "0"`}},
	{"camera: {fps: 241}\n", lines{`1:15: camera.fps must be a whole number from 1 to 240, not "241"`}},
	{"camera: {fps: 29.97}\n", lines{`1:15: camera.fps must be a whole number from 1 to 240, not "29.97"`}},
	{"camera: {fps: \"30\"}\n", lines{`1:15: camera.fps must be a whole number from 1 to 240, not the text "30"`}},
	{"camera: {fps: 036}\n", lines{`1:15: camera.fps must be a whole number from 1 to 240, not "036"`}},
	{"camera: {fps: 0x1e}\n", lines{`1:15: camera.fps must be a whole number from 1 to 240, not "0x1e"`}},
	{"camera: {fps: 99999999999999999999}\n",
		lines{`1:15: camera.fps must be a whole number from 1 to 240, not "99999999999999999999"`}},
	{"camera: {fps: true}\n", lines{`1:15: camera.fps must be a whole number from 1 to 240, not "true"`}},
	{"camera: {fps: {}}\n", lines{`1:15: camera.fps must be a whole number from 1 to 240, not a map`}},
	{"camera: {format: h264, raw: none, rotate: 45, usb_reset: maybe}\n", lines{
		`1:18: camera.format must be auto, mjpeg, yuyv, nv12 or grey, not "h264"`,
		`1:29: camera.raw must be jpeg or lz4, not "none"`,
		`1:43: camera.rotate must be 0, 90, 180 or 270, not "45"`,
		`1:58: camera.usb_reset must be true or false, not "maybe"`,
	}},
	{"camera: {format: [auto]}\n", lines{`1:18: camera.format must be auto, mjpeg, yuyv, nv12 or grey, not a list`}},
	{"camera: {usb_reset: \"true\"}\n", lines{`1:21: camera.usb_reset must be true or false, not the text "true"`}},
	{"camera: {usb_reset: 1}\n", lines{`1:21: camera.usb_reset must be true or false, not "1"`}},
	{"camera: {controls: {Bright Ness: 1, a: [], b: , c: 5, c: 6}}\n", lines{
		"1:21: a control name must be 1 to 64 characters of a-z 0-9 _ " +
			"as in `vchatctl camera controls`, not \"Bright Ness\"; did you mean \"bright_ness\"?",
		`1:40: camera.controls.a must be text, not a list`,
		`1:55: duplicate key camera.controls.c: first in line 1`,
	}},

	// Peers.
	{"peers:\n  a:\n", lines{"2:3: peer \"a\" has no id: copy it from `vchatctl id` on that device"}},
	{"peers:\n  a: {}\n", lines{"2:3: peer \"a\" has no id: copy it from `vchatctl id` on that device"}},
	{"peers:\n  a: {id: }\n", lines{"2:3: peer \"a\" has no id: copy it from `vchatctl id` on that device"}},
	{"peers:\n  a: {id: \"\"}\n", lines{"2:3: peer \"a\" has no id: copy it from `vchatctl id` on that device"}},
	{"peers:\n  a: {id: [x]}\n", lines{`2:11: peers.a.id must be text, not a list`}},
	{"peers:\n  a: {id: " + strings.Replace(workshopID, "ONDEM", "ONDME", 1) + "}\n",
		lines{`2:11: peers.a.id has a typing error in groups 4 to 6 (EPKDE-ONDME-OUV3V)`}},
	{"peers:\n  self: {id: " + workshopID + "}\n  -a: {id: " + workshopID + "}\n  _a: {}\n  a b: {id: x}\n", lines{
		`2:3: a peer cannot be named "self": that is this device's own camera`,
		`3:3: ` + peerNameForm + `"-a"; did you mean "a"?`,
		`3:12: peers.-a.id is the same as that of peer "self"`,
		`4:3: ` + peerNameForm + `"_a"; did you mean "a"?`,
		"4:3: peer \"_a\" has no id: copy it from `vchatctl id` on that device",
		`5:3: ` + peerNameForm + `"a b"; did you mean "a-b"?`,
		`5:13: peers.a b.id must be 12 groups of 5 characters, 60 in all, not 1`,
	}},
	{"peers:\n  Self: {id: " + workshopID + "}\n  " + strings.Repeat("a", 33) + ": {id: " + atticID + "}\n", lines{
		`2:3: a peer cannot be named "Self": that is this device's own camera`,
		`3:3: ` + peerNameForm + `"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"`,
	}},
	{"peers:\n  a: {id: " + workshopID + "}\n  A: {id: " + atticID + "}\n  a: {id: " + countingID +
		"}\n  b: {id: " + strings.ToLower(workshopID) + "}\n",
		lines{
			`3:3: duplicate peer peers.A: "a" is the same name`,
			`4:3: duplicate key peers.a: first in line 2`,
			`5:11: peers.b.id is the same as that of peer "a"`,
		}},
	{peerHeader + "auto_answer: y\n", lines{`4:18: peers.a.auto_answer must be true or false, not "y"`}},
	{peerHeader + "auto_answer: \"on\"\n", lines{`4:18: peers.a.auto_answer must be true or false, not the text "on"`}},
	// Relays and proxies.
	{"relay: {a: b}\n", lines{`1:8: relay must be a list of HOST:PORT, such as ["vps.example.org:4001"], not a map`}},
	{"relay: vps.example.org\n",
		lines{`1:8: relay must include a port, such as vps.example.org:4001, not only "vps.example.org"`}},
	{"relay: [\"a:0\", 'b:x', c:1, [d], 2001:db8::7:4001, \"\"]\n", lines{
		`1:9: relay ` + relayForm + `"a:0"`, `1:16: relay ` + relayForm + `"b:x"`,
		`1:28: relay must be text, not a list`, `1:33: relay ` + relayForm + `"2001:db8::7:4001"`,
		`1:51: relay ` + relayForm + `""`,
	}},
	{"relay:\n- a:1\n- b:1\n- A:1\n", lines{`4:3: relay has "A:1" twice: first in line 2`}},
	{"relay: [a:1, a:2, a:3, a:4, a:5, a:6, a:7, a:8, a:9]\n", lines{`1:49: relay must have at most 8 relays, not 9`}},
	{"relay: [\"[fe80::1]:4001\"]\n", lines{`1:9: relay must name the network interface: fe80::1 needs a zone, ` +
		`such as "[fe80::1%eth0]:4001"`}},
	{"relay_proxy: http://127.0.0.1:3128\n", lines{`1:14: relay_proxy ` + proxyForm}},
	{"relay_proxy: [a]\n", lines{`1:14: relay_proxy must be text, not a list`}},
	// The password is not repeated.
	{peerHeader + "proxy: socks5://user:secret@127.0.0.1\n", lines{`4:12: peers.a.proxy ` + proxyForm}},
	{peerHeader + "proxy: socks5://user:secret@127.0.0.1:0\n", lines{`4:12: peers.a.proxy ` + proxyForm}},
	{peerHeader + "proxy: \"socks5://user:sec\\nret@127.0.0.1:1\"\n", lines{`4:12: peers.a.proxy ` + proxyForm}},

	{peerHeader + "max_bitrate: -1\n",
		lines{`4:18: peers.a.max_bitrate must be a number from 0 to 100000 (Mbit/s), not "-1"`}},
	{peerHeader + "max_bitrate: .inf\n",
		lines{`4:18: peers.a.max_bitrate must be a number from 0 to 100000 (Mbit/s), not ".inf"`}},
	{peerHeader + "max_bitrate: 1e3\n",
		lines{`4:18: peers.a.max_bitrate must be a number from 0 to 100000 (Mbit/s), not "1e3"`}},
	{peerHeader + "max_bitrate: 100000.1\n",
		lines{`4:18: peers.a.max_bitrate must be a number from 0 to 100000 (Mbit/s), not "100000.1"`}},
	{peerHeader + "max_bitrate: \"5\"\n",
		lines{`4:18: peers.a.max_bitrate must be a number from 0 to 100000 (Mbit/s), not the text "5"`}},
	{peerHeader + "max_bitrate: fast\n",
		lines{`4:18: peers.a.max_bitrate must be a number from 0 to 100000 (Mbit/s), not "fast"`}},

	// Calls, control, the rest.
	{"calls: {max: 0, ring_timeout: 30, resume_for: 25h, do_not_disturb: maybe}\n", lines{
		`1:14: calls.max must be a whole number from 1 to 16, not "0"`,
		`1:31: calls.ring_timeout must be a time from 1s to 1h with a unit, such as 30s or 10m, not "30"`,
		`1:47: calls.resume_for must be a time from 0s to 24h with a unit, such as 30s or 10m, not "25h"`,
		`1:68: calls.do_not_disturb must be true or false, not "maybe"`,
	}},
	{"calls: {max: 17, ring_timeout: 500ms, resume_for: -1s}\n", lines{
		`1:14: calls.max must be a whole number from 1 to 16, not "17"`,
		`1:32: calls.ring_timeout must be a time from 1s to 1h with a unit, such as 30s or 10m, not "500ms"`,
		`1:51: calls.resume_for must be a time from 0s to 24h with a unit, such as 30s or 10m, not "-1s"`,
	}},
	{"calls: {ring_timeout: 1d}\n",
		lines{`1:23: calls.ring_timeout must be a time from 1s to 1h with a unit, such as 30s or 10m, not "1d"`}},
	{"calls: {ring_timeout: 1h1s}\n",
		lines{`1:23: calls.ring_timeout must be a time from 1s to 1h with a unit, such as 30s or 10m, not "1h1s"`}},
	{"calls: {ring_timeout: [30s]}\n",
		lines{`1:23: calls.ring_timeout must be a time from 1s to 1h with a unit, such as 30s or 10m, not a list`}},
	{"discovery: nope\n", lines{`1:12: discovery must be true or false, not "nope"`}},
	{"control: {socket: run/x, group: a b}\n", lines{
		`1:19: control.socket must be an absolute path, starting with "/", not "run/x"`,
		`1:33: control.group must be the name of a group, not "a b"`,
	}},
	{"control: {socket: /" + strings.Repeat("x", 107) + ", group: -a}\n", lines{
		`1:19: control.socket must be at most 107 bytes long, not 108`,
		`1:136: control.group must be the name of a group, not "-a"`,
	}},
	{"control: {socket: \"\"}\n", lines{`1:19: control.socket must be an absolute path, starting with "/", not ""`}},
	{"state_dir: var\n", lines{`1:12: state_dir must be an absolute path, starting with "/", not "var"`}},
	{"log: {level: trace}\n", lines{`1:14: log.level must be debug, info, warn or error, not "trace"`}},
	{"log: {level: INFO}\n", lines{`1:14: log.level must be debug, info, warn or error, not "INFO"`}},
	{"hooks: {ring: x, answered: [], ended: [\"\"], camera_lost: [/a, [b]], camera_found: [/a, ~]}\n", lines{
		`1:15: hooks.ring ` + argvForm + `"x"`,
		`1:28: hooks.answered ` + argvForm + `an empty list`,
		`1:40: hooks.ended ` + programForm + `""`,
		`1:63: hooks.camera_lost must contain only texts, not a list`,
		`1:88: hooks.camera_found must contain only texts, not nothing`,
	}},
	{"hooks: {ring: [aplay, x.wav], missed: [./x], text: [~]}\n", lines{
		`1:16: hooks.ring ` + programForm + `"aplay"`,
		`1:40: hooks.missed ` + programForm + `"./x"`,
		`1:53: hooks.text must contain only texts, not nothing`,
	}},
	{"hooks: {ring: [/a, \"b\\0\"]}\n", lines{`1:20: hooks.ring cannot contain NUL characters`}},

	// Unsupported features of YAML.
	{"name: a\n---\nname: b\n", lines{`2:1: a second document starts here ("---"): only one is allowed`}},
	{"---\n---\n", lines{`2:1: a second document starts here ("---"): only one is allowed`}},
	{"fps: 1\n---\nname: b\n---\nc", lines{
		`1:1: unknown key "fps": did you mean camera.fps? indent it under "camera:"`,
		`2:1: a second document starts here ("---"): only one is allowed`,
	}},
	{"name: a\n---\nb: [\n", lines{`4:1: the file ends inside a list or a map`}},
	{"name: a\n...\nfoo: 1\n", lines{`3:1: unexpected text after the end of the document ("...")`}},
	{"name: *foo\n", lines{`1:7: ` + aliasesText}},
	{"name: &x 1\nlisten: *x\n", lines{
		`1:7: ` + aliasesText,
		`2:9: ` + aliasesText,
	}},
	{"name: &\n", lines{`1:7: ` + aliasesText}},
	{"&a name: b\n", lines{`1:1: ` + aliasesText}},
	{"fps: 1\ncamera: &c {fps: 0}\n", lines{
		`1:1: unknown key "fps": did you mean camera.fps? indent it under "camera:"`,
		`2:9: ` + aliasesText,
		`2:18: camera.fps must be a whole number from 1 to 240, not "0"`,
	}},
	{"peers:\n  a: &x {id: " + workshopID + "}\n  b: *x\n", lines{
		`2:6: ` + aliasesText,
		`3:6: ` + aliasesText,
	}},
	{"peers:\n  a: &x {id: " + workshopID + "}\n  b: {id: *x}\n", lines{
		`2:6: ` + aliasesText,
		`3:11: ` + aliasesText,
	}},
	{"hooks: {ring: &a [!!str a, *a]}\n", lines{
		`1:15: ` + aliasesText,
		`1:19: ` + tagsText,
		`1:28: ` + aliasesText,
	}},
	{"name: !foo bar\n", lines{`1:7: ` + tagsText}},
	{"name: !!str x\n", lines{`1:7: ` + tagsText}},
	{"name: !<\n", lines{`1:7: ` + tagsText}},
	{"name: !e!x y\n", lines{`1:7: ` + tagsText}},
	{"camera: !!map {fps: 0}\n", lines{`1:9: ` + tagsText}},
	{"<<: {name: a}\n", lines{`1:1: merge keys ("<<") are not supported: write the keys themselves`}},
	{"camera: {<<: {fps: 0}}\n", lines{`1:10: merge keys ("<<") are not supported: write the keys themselves`}},
	{"%YAML 3.0\n---\nname: a\n", lines{`1:1: ` + directivesText}},
	{"%FOO\n---\nname: a", lines{`1:1: ` + directivesText}},

	// Blocks that are indented too much or too little.
	{"name: kitchen\n  peers:\n    a:\n", lines{
		`2:3: "peers" is a key of the top level: unindent line 2 and its block to column 1`}},
	{"listen: \":7450\"\n\n# Peers.\n peers:\n   a:\n", lines{
		`4:2: "peers" is a key of the top level: unindent line 4 and its block to column 1`}},
	{"camera:\n  fps: 30\n    peers:\n      a:\n", lines{
		`3:5: "peers" is a key of the top level: unindent line 3 and its block to column 1`}},
	{"camera:\n  fps: 30\n calls:\n   max: 1\n", lines{
		`3:2: "calls" is a key of the top level: unindent line 3 and its block to column 1`}},
	{"camera:\n  fps: 30\n  peers:\n    a: {id: x}\n", lines{
		`3:3: "peers" is a key of the top level, not of camera: unindent line 3 and its block to column 1`}},
	{"camera: {fps: 30, peers: {a: {id: x}}}\n", lines{
		`1:19: "peers" is a key of the top level, not of camera: move it out of the braces`}},
	{"camera:\n  controls:\n    gain: 1\n    calls:\n      max: 2\n", lines{
		`4:5: "calls" is a key of the top level, not of camera.controls: unindent line 4 and its block to column 1`}},
	{peerHeader + "name: a\n", lines{
		`4:5: "name" is a key of the top level, not of peers.a: unindent line 4 and its block to column 1`}},
	{peerHeader + "\n  calls:\n    max: 2\n", lines{
		`5:3: "calls" is a key of the top level, not of peers: unindent line 5 and its block to column 1`}},
	{"hooks:\n  log:\n    level: info\n", lines{
		`2:3: "log" is a key of the top level, not of hooks: unindent line 2 and its block to column 1`}},
	{"camera:\ndevice: auto\nsize: 640x480\n", lines{
		`2:1: unknown key "device": did you mean camera.device? indent it under "camera:"`,
		`3:1: unknown key "size": did you mean camera.size? indent it under "camera:"`}},
	{"devcie: auto\n", lines{`1:1: unknown key "devcie": did you mean camera.device? indent it under "camera:"`}},
	{"level: info\n", lines{`1:1: unknown key "level": did you mean log.level? indent it under "log:"`}},
	{"auto-answer: on\n", lines{
		`1:1: unknown key "auto-answer": did you mean peers.NAME.auto_answer? indent it under the name of the peer`}},
	{"calls:\n  fps: 1\n", lines{`2:3: unknown key "fps": did you mean camera.fps? move it under "camera:"`}},
	{"peers:\na:\n  address: b:7450\n", lines{
		`2:1: unknown key "a": if it is a peer, indent it and its block under "peers:"`}},
	{"peers:\n  peers:\n    a:\n      id: x\n", lines{
		`2:3: "peers" is a key of the top level, not of peers: unindent line 2 and its block to column 1`}},
	{"peers:\n  a:\n  address: b:7450\n  id: x\n", lines{
		`3:3: peers.address: address is a key of a peer: indent it under the name of the peer`,
		`4:3: peers.id: id is a key of a peer: indent it under the name of the peer`}},

	// Words of other programs.
	{"port: 7450\n", lines{`1:1: unknown key "port": did you mean "listen"?`}},
	{"Log-Level: debug\n", lines{`1:1: unknown key "Log-Level": did you mean log.level?`}},
	{"camera: {frame_rate: 30}\n", lines{`1:10: unknown key "frame_rate": did you mean "fps"?`}},
	{peerHeader + "host: b\n", lines{`4:5: unknown key "host": did you mean "address"?`}},

	// Typographic characters.
	{"name: “Kitchen”\n", lines{`1:7: “ is a typographic quote: use the plain " or '`}},
	{"listen: „:7450“\n", lines{`1:9: „ is a typographic quote: use the plain " or '`}},
	{"name: \"Kitchen”\nlisten: b\n", lines{`1:15: ” is a typographic quote: use the plain " or '`}},
	{"name: ‘a: b’\n", lines{`1:7: ‘ is a typographic quote: use the plain " or '`}},
	{"‘name’: a\n", lines{`1:1: ‘ is a typographic quote: use the plain " or '`}},
	{"hooks: {ring: [”sh”, -c]}\n", lines{`1:16: ” is a typographic quote: use the plain " or '`}},
	{"peers:\n  «a»:\n    id: x\n", lines{`2:3: « is a typographic quote: use the plain " or '`}},
	{"camera:\n\u00a0\u00a0fps: 30\n", lines{`2:1: typographic blank (U+00A0): replace it by a normal one`}},
	{"camera:\u00a0\n", lines{`1:8: typographic blank (U+00A0): replace it by a normal one`}},
	{"name: \u3000a\n", lines{`1:7: typographic blank (U+3000): replace it by a normal one`}},

	// Link-local addresses without a zone, and international names.
	{peerHeader + "address: \"[fe80::1]:7450\"\n", lines{`4:14: peers.a.address must name the network interface: ` +
		`fe80::1 needs a zone, such as "[fe80::1%eth0]:7450"`}},
	{peerHeader + "address: \"[febf::7]:1\"\n", lines{`4:14: peers.a.address must name the network interface: ` +
		`febf::7 needs a zone, such as "[febf::7%eth0]:1"`}},
	{"listen: \"[fe80::1]:7450\"\n", lines{`1:9: listen must name the network interface: ` +
		`fe80::1 needs a zone, such as "[fe80::1%eth0]:7450"`}},
	{"metrics: \"[FE80::1]:7451\"\n", lines{`1:10: metrics must name the network interface: ` +
		`FE80::1 needs a zone, such as "[FE80::1%eth0]:7451"`}},
	{peerHeader + "address: \"[fe80::1%]:7450\"\n",
		lines{`4:14: peers.a.address ` + addressForm + `"[fe80::1%]:7450"`}},
	{peerHeader + "address: " + strings.Repeat("ü", 60) + ".example:7450\n", lines{`4:14: peers.a.address ` +
		addressForm +
		`"` + strings.Repeat("ü", 40) + `…"`}},
	{peerHeader + "address: ü!.example:7450\n", lines{`4:14: peers.a.address ` + addressForm + `"ü!.example:7450"`}},
	{peerHeader + "address: bü ro:7450\n", lines{`4:14: peers.a.address ` + addressForm + `"bü ro:7450"`}},

	// Invalid YAML.
	{"\tname: x\n", lines{`1:1: indent with spaces, not with tabs`}},
	{"camera:\n\tfps: 3\n", lines{`2:1: indent with spaces, not with tabs`}},
	{"name: >\n\tx\n", lines{`2:1: indent with spaces, not with tabs`}},
	{"camera:\n  fps: 3\n   size: 4\n", lines{
		`3:4: "size" is indented more than "fps" in line 2, which has a value: unindent line 3 to column 3`}},
	{"camera:\n  fps: 3\n size: 4\n", lines{`3:2: the indentation of "size" fits no line before it: ` +
		`move it to the column of its section's other keys, such as column 3 of line 2`}},
	{"name kitchen\nlisten: x\n", lines{`1:1: expected "KEY: VALUE"`}},
	{"name: a: b\n", lines{`1:8: ` + colonText}},
	{"name: a\nb\n", lines{`2:1: expected "KEY: VALUE"`}},
	{"name: a\n- b\n", lines{`2:1: ` + misplacedText}},
	{"- b\na: 1\n", lines{`1:1: expected "KEY: VALUE"`}},
	{": 1\n", lines{`1:1: ` + misplacedText}},
	{"name: - a\n", lines{`1:7: a list entry ("- ") cannot start here`}},
	{"name: ? x\n", lines{`1:7: a key cannot start here`}},
	{"name: |\n  x\n y\n", lines{`3:2: ` + misplacedText}},
	{"name: |x\n", lines{`1:8: after "|" or ">" the text starts on the next line`}},
	{"name: \"abc\nfoo: x", lines{`1:7: the quote that starts here is not closed`}},
	{"name: 'x\n", lines{`1:7: the quote that starts here is not closed`}},
	{"name: 'a\n---\nb'\n", lines{`1:7: the quote that starts here is not closed`}},
	{"name: \"\\q\"\n", lines{`1:8: unknown escape in double quotes: write \\ for a backslash, or use single quotes`}},
	{"name: \"\\xzz\"\n",
		lines{`1:10: unknown escape in double quotes: write \\ for a backslash, or use single quotes`}},
	{"name: \"x\" y\n", lines{`1:11: ` + misplacedText}},
	{"name: @b\n", lines{`1:7: a value cannot start with "@": put it in quotes`}},
	{"name: `b\n", lines{"1:7: a value cannot start with \"`\": put it in quotes"}},
	{"name: %\n", lines{`1:7: a value cannot start with "%": put it in quotes`}},
	{"name: [a\nlisten: b\n", lines{`1:7: the list that starts here is not closed, or a "," is missing`}},
	{"name: [a b: c: d]\n", lines{`1:14: expected "," or "]" here`}},
	{"hooks:\n  ring: [a,\n    b\n  ended: [c]\n",
		lines{`2:9: the list that starts here is not closed, or a "," is missing`}},
	{"\n\n\nhooks: {ring: [1,\n\n\n", lines{`7:1: the file ends inside a list or a map`}},
	{"hooks: {ring: [", lines{`1:16: the file ends inside a list or a map`}},
	{"camera: {fps: 1\nname: 2\n", lines{`1:9: the map that starts here is not closed, or a "," is missing`}},
	{"camera: {fps: 1 \"2\"}\n", lines{`1:15: camera.fps must be a whole number from 1 to 240, not "1 \"2\""`}},
	{"name: {a: b\n}c\n", lines{`2:2: ` + misplacedText}},
	{"name: }\n", lines{`1:7: expected a value, not "}"`}},
	{"name: ]\n", lines{`1:7: expected a value, not "]"`}},
	{"name: " + strings.Repeat("[", 10001), lines{`1:10007: nested too deeply`}},

	// Invalid text.
	{"name: \xff\n", lines{`1:7: the file is not UTF-8 text`}},
	{"name: a\n# \xe4\n", lines{`2:3: the file is not UTF-8 text`}},
	{"\xff\xfen\x00", lines{`1:1: the file is not UTF-8 text`}},
	{"name: b\x01c\n", lines{`1:8: invalid character U+0001`}},
	{"name: b\x00c\n", lines{`1:8: invalid character U+0000`}},
	{"ä: \x7f", lines{`1:4: invalid character U+007F`}},
	{"a\ufeffb: 1\n", lines{`1:2: invalid character U+FEFF`}},
	{"name: a\u0085b\n", lines{`1:8: invalid character U+0085`}},
	{"name: a\u2028b\n", lines{`1:8: invalid character U+2028`}},
	{"name: a\rlisten: b\n", lines{`1:8: carriage return without a line feed`}},
	{"name: a\r", lines{`1:8: carriage return without a line feed`}},
	{strings.Repeat("#", 1<<20+1), lines{`1:1: the file is larger than 1 MiB`}},

	// Positions are the same with a byte order mark and with CRLF.
	{"\ufeffnam: a\n", lines{`1:1: unknown key "nam": did you mean "name"?`}},
	{"name: a\r\nnam: b\r\n", lines{`2:1: unknown key "nam": did you mean "name"?`}},
}

func TestParse_faults(t *testing.T) {
	for _, tt := range badFiles {
		t.Run(fmt.Sprintf("%.60q", tt.file), func(t *testing.T) {
			want := "vchat.yaml:" + strings.Join(tt.want, "\nvchat.yaml:")
			c, err := Parse("vchat.yaml", []byte(tt.file))
			if err == nil {
				t.Fatalf("got no error, want:\n%s", want)
			}
			if diff := cmp.Diff(want, err.Error()); c != nil || diff != "" {
				t.Errorf("got config %v, faults (-want +got):\n%s", c, diff)
			}
		})
	}
}
