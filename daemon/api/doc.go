// Package api defines the types, routes and error kinds of the control API:
// HTTP/1.1 with JSON under /v1, on a unix socket.
//
// Guarantees:
//   - Routes, fields, event kinds and error kinds are only added, never
//     renamed or removed.
//   - Field names are in snake_case, times in RFC 3339, durations in
//     milliseconds with the suffix _ms, bit rates in Mbit/s as mbit_s.
//   - The package holds no logic and imports only the standard library, so any
//     program can import it.
//
// A client ignores fields and events that it does not know. The daemon refuses
// a request with an unknown field.
//
// # Routes
//
// Each route with a request and its answer, shortened by "…". S is
// /run/vchat/control.sock.
//
//	GET /v1/status
//	    curl --unix-socket $S http://vchat/v1/status
//	    {"name":"kitchen",…"camera":{"device":"/dev/video0",…},
//	     "privacy":false,…"calls":[…],"peers":[…],"viewers":[…],
//	     "strangers":{"now":0,"accepted":0,"evicted":0,"refused":0}}
//
//	GET /v1/peers
//	    curl --unix-socket $S http://vchat/v1/peers
//	    {"peers":[{"name":"attic","address":"attic.local:7450",…
//	     "link":{"state":"down",…"reason":"connection refused"}},…]}
//
//	POST /v1/peers/{peer}/probe
//	    curl --unix-socket $S -d '{}' http://vchat/v1/peers/attic/probe
//	    {"peer":"attic","link":"down","addresses":["192.0.2.7:7450"],
//	     "failed":"connect","reason":"…connection refused"…}
//
//	GET /v1/diagnosis
//	    curl --unix-socket $S http://vchat/v1/diagnosis
//	    {"right":"admin",…"uid":999,"gids":[…],…
//	     "state_dir":{"path":"/var/lib/vchat","writable":true,…}}
//
//	PATCH /v1/peers/{peer}
//	    curl --unix-socket $S -X PATCH -d '{"auto_answer":true}' \
//	        http://vchat/v1/peers/attic
//	    {"name":"attic",…"auto_answer":true,…"source":"paired",…}
//
//	DELETE /v1/peers/{peer}
//	    curl --unix-socket $S -X DELETE http://vchat/v1/peers/attic
//	    {"name":"attic",…"source":"paired",…}
//
//	POST /v1/pair
//	    curl --unix-socket $S --no-buffer -d '{"wait":true}' \
//	        http://vchat/v1/pair
//	    {"time":"…","event":"pairing","pairing":{"state":"waiting"}}
//	    {"time":"…","event":"pairing","pairing":{"state":"comparing",…
//	     "id":"CCCCC-DDDDD-…","code":"482 913","peer":"cellar"}}
//
//	POST /v1/pair/accept
//	    curl --unix-socket $S --no-buffer -d '{"id":"CCCCC-DDDDD-EEEEE"}' \
//	        http://vchat/v1/pair/accept
//	    {"time":"…","event":"pairing","pairing":{"state":"waiting",…
//	     "id":"CCCCC-DDDDD-…"}}
//	    {"time":"…","event":"pairing","pairing":{"state":"comparing",…
//
//	POST /v1/pair/confirm
//	    curl --unix-socket $S -d '{"code":"482 913"}' \
//	        http://vchat/v1/pair/confirm
//	    {"state":"confirmed",…}
//
//	POST /v1/pair/refuse
//	    curl --unix-socket $S -d '{}' http://vchat/v1/pair/refuse
//	    {"error":{"kind":"conflict","message":"…"}}
//
//	GET /v1/rights
//	    curl --unix-socket $S http://vchat/v1/rights
//	    {"watch":true,"call":true,"pair":true,"administer":true,"groups":{…}}
//
//	GET /v1/id
//	    curl --unix-socket $S http://vchat/v1/id
//	    {"name":"kitchen","id":"AAAAA-BBBBB-…"}
//
//	GET /v1/metrics
//	    curl --unix-socket $S http://vchat/v1/metrics
//	    # HELP …
//
//	GET /v1/events
//	    curl --unix-socket $S --no-buffer http://vchat/v1/events
//	    {"time":"…","event":"state","status":{"name":"kitchen",…}}
//
//	POST /v1/calls
//	    curl --unix-socket $S -d '{"peer":"workshop"}' http://vchat/v1/calls
//	    {"id":"…","peer":"workshop","state":"calling","since":"…","since_ms":0,
//	     "direction":"out",…}
//
//	POST /v1/calls/answer
//	    curl --unix-socket $S -d '{"peer":"workshop"}' \
//	        http://vchat/v1/calls/answer
//	    {"id":"…","peer":"workshop","state":"active",…}
//
//	POST /v1/say
//	    curl --unix-socket $S -d '{"text":"tea?"}' http://vchat/v1/say
//	    {"peer":"workshop","text":"tea?"}
//
//	GET /v1/feeds/{feed...}
//	    curl --unix-socket $S http://vchat/v1/feeds/workshop.jpg -o frame.jpg
//	    curl --unix-socket $S http://vchat/v1/feeds/self.mjpeg -o -
//	    --vchat
//	    Content-Type: image/jpeg
//	    Content-Length: …
//	    X-Timestamp: …
//	    X-Monotonic: …
//	    X-Sequence: …
//	    X-Age-Ms: …
//
//	POST /v1/readers
//	    curl --unix-socket $S -d '{"name":"obs"}' http://vchat/v1/readers
//	    {"name":"obs","added":"…","viewers":0,"token":"…",
//	     "url":"http://127.0.0.1:7452/self.mjpeg?token=…"}
//
//	GET /v1/readers
//	    curl --unix-socket $S http://vchat/v1/readers
//	    {"readers":[{"name":"obs",…}]}
//
//	DELETE /v1/readers/{reader}
//	    curl --unix-socket $S -X DELETE http://vchat/v1/readers/obs
//	    {"name":"obs",…}
//
//	POST /v1/calls/hangup
//	    curl --unix-socket $S -d '{}' http://vchat/v1/calls/hangup
//	    {"id":"…","peer":"workshop","state":"ended",…"reason":"hung_up",…}
//
//	POST /v1/calls/reject
//	    curl --unix-socket $S -d '{}' http://vchat/v1/calls/reject
//	    {"error":{"kind":"no_such_call","message":"…"}}
//
//	POST /v1/reload
//	    curl --unix-socket $S -X POST http://vchat/v1/reload
//	    {"file":"/etc/vchat.yaml"}
//
//	GET /v1/privacy
//	    curl --unix-socket $S http://vchat/v1/privacy
//	    {"privacy":false}
//
//	PUT /v1/privacy
//	    curl --unix-socket $S -X PUT -d '{"privacy":true}' \
//	        http://vchat/v1/privacy
//	    {"privacy":true}
//
//	GET /v1/cameras
//	    curl --unix-socket $S http://vchat/v1/cameras
//	    {"cameras":[{"path":"/dev/video0",…"used":true,"state":"streaming"},…
//	     ],"privacy":true}
//
//	PUT /v1/camera
//	    curl --unix-socket $S -X PUT -d '{"device":"/dev/video0"}' \
//	        http://vchat/v1/camera
//	    {"by":"user","device":"/dev/v4l/by-id/…","size":"1280x720","fps":30}
//
//	GET /v1/camera/formats
//	    curl --unix-socket $S \
//	        http://vchat/v1/camera/formats?device=/dev/video0
//	    {"device":"/dev/video0",…"formats":[{"fourcc":"MJPG",…
//	     "sizes":[{"size":"1280x720","fps":[30,15,7.5]},…]},…]}
//
//	GET /v1/camera/controls
//	    curl --unix-socket $S http://vchat/v1/camera/controls
//	    {"device":"/dev/video0",…"controls":[{"name":"brightness",…"min":-64,
//	     "max":64,…"value":10},…]}
//
//	POST /v1/camera/controls
//	    curl --unix-socket $S -d '{"controls":{"brightness":"5"}}' \
//	        http://vchat/v1/camera/controls
//	    {"device":"/dev/video0",…"changed":[{"name":"brightness","from":10,
//	     "to":5}],"kept":true}
//
// GET needs the right to watch; the routes of calls, privacy and probes that to
// call; those below /v1/pair/ that to pair; other changes that to administer.
// See packaging/doc/integration.md.
//
// A pairing lives as long as the request to /v1/pair or /v1/pair/accept: the
// client that goes away before the last line cancels it on both devices.
//
// Every answer that is not 200 OK is an error:
//
//	{"error":{"kind":"no_such_peer","message":"…","hint":"…"}}
package api
