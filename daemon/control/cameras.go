package control

import (
	"net/http"

	"vchat/daemon/api"
)

// The routes of the cameras.

func (s *Server) privacy(w http.ResponseWriter, _ *http.Request) error {
	return answer(w, api.Privacy{Privacy: s.backend.Privacy()})
}

// setPrivacy refuses an empty request: it must not turn the camera on.
func (s *Server) setPrivacy(w http.ResponseWriter, r *http.Request) error {
	return command(s, w, r, func(req api.PrivacyRequest) (api.Privacy, error) {
		if req.Privacy == nil {
			return api.Privacy{}, &api.Error{Kind: api.BadRequest, Message: `missing field "privacy"`,
				Hint: `send {"privacy": true} or {"privacy": false}`}
		}
		return api.Privacy{Privacy: *req.Privacy}, s.backend.SetPrivacy(*req.Privacy, connOf(r.Context()).client.uid)
	})
}

func (s *Server) cameras(w http.ResponseWriter, r *http.Request) error {
	all, err := s.backend.Cameras(r.Context())
	if err != nil {
		return err
	}
	return answer(w, all)
}

func (s *Server) formats(w http.ResponseWriter, r *http.Request) error {
	f, err := s.backend.Formats(r.Context(), r.URL.Query().Get(api.QueryDevice))
	if err != nil {
		return err
	}
	return answer(w, f)
}

func (s *Server) controls(w http.ResponseWriter, r *http.Request) error {
	c, err := s.backend.Controls(r.Context(), r.URL.Query().Get(api.QueryDevice))
	if err != nil {
		return err
	}
	return answer(w, c)
}

func (s *Server) setControls(w http.ResponseWriter, r *http.Request) error {
	return command(s, w, r, func(req api.ControlsRequest) (api.Controls, error) {
		if len(req.Controls) == 0 {
			return api.Controls{}, &api.Error{Kind: api.BadRequest, Message: "no controls in the request"}
		}
		return s.backend.SetControls(r.Context(), req)
	})
}
