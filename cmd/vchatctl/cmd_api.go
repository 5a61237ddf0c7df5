package main

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"vchat/daemon/api"
)

// apiMethods are those of the control API.
var apiMethods = []string{"GET", "POST", "PUT", "DELETE"}

func (a *app) apiCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "api METHOD PATH [BODY|-]",
		Short: "Send one request to the control API and print the answer",
		Long: `Send one request to the control API and print the answer as it comes, such as JSON. BODY is a JSON
document; - reads it from standard input. Streams run until either side ends them. An error of
vchatd goes to standard error, and has the exit code that other commands have for it.

openapi.json, in the package's documentation, describes the API.`,
		Example: `  vchatctl api GET /v1/status
  vchatctl api POST /v1/calls '{"peer":"workshop"}'
  vchatctl api GET /v1/events
  vchatctl api GET /v1/feeds/self.jpg >frame.jpg`,
		Args: argCount(2, 3),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 0 {
				return apiMethods, cobra.ShellCompDirectiveNoFileComp
			}
			return nil, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			method := strings.ToUpper(args[0])
			if !slices.Contains(apiMethods, method) {
				return usagef("METHOD must be GET, POST, PUT or DELETE; got %q", args[0])
			}
			if !strings.HasPrefix(args[1], "/") {
				return usagef("PATH must start with /, such as %s; got %q", api.PathStatus, args[1])
			}
			body := []byte(nil)
			if len(args) == 3 {
				body = []byte(args[2])
			}
			if len(args) == 3 && args[2] == "-" {
				var err error
				if body, err = io.ReadAll(io.LimitReader(a.stdin, api.MaxBody+1)); err != nil {
					return fmt.Errorf("read standard input: %w", err)
				}
			}
			return a.callAPI(cmd, method, args[1], body)
		},
	}
}

// callAPI copies the answer to a request to standard output.
func (a *app) callAPI(cmd *cobra.Command, method, target string, body []byte) error {
	ctx, stop := a.readerContext(cmd.Context())
	defer stop()
	answer, err := a.client().Do(ctx, method, target, body)
	if err != nil {
		return err
	}
	defer answer.Close()
	kind, _, _ := mime.ParseMediaType(answer.ContentType)
	isText := kind == "application/json" || kind == "application/x-ndjson" || strings.HasPrefix(kind, "text/")
	if a.onTerminal() && !isText {
		return usagef("the answer is %s and standard output is a terminal; redirect it", kind)
	}
	b := make([]byte, 64<<10)
	for {
		n, err := answer.Read(b)
		if n > 0 {
			out := b[:n]
			if a.onTerminal() {
				out = []byte(textFor(a.stdout, string(out)))
			}
			if _, err := a.stdout.Write(out); err != nil {
				return fmt.Errorf("write standard output: %w", err)
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
