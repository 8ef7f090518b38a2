// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	tests := map[string]struct {
		args    []string
		want    options
		wantErr error
	}{
		"stays up":          {args: []string{"up"}, want: options{command: "up"}},
		"plays":             {args: []string{"demo"}, want: options{command: "demo"}},
		"with all flags":    {args: []string{"up", "--dir=d", "--simulator-address=127.0.0.1:1", "--token-secrets"}, want: options{"up", "d", "127.0.0.1:1", true}},
		"no command":        {wantErr: errUsage},
		"unknown command":   {args: []string{"down"}, want: options{command: "down"}, wantErr: errUsage},
		"unknown flag":      {args: []string{"up", "--port=1"}, want: options{command: "up"}, wantErr: errUsage},
		"too many words":    {args: []string{"up", "now"}, want: options{command: "up"}, wantErr: errUsage},
		"asks for help":     {args: []string{"--help"}, want: options{command: "--help"}, wantErr: flag.ErrHelp},
		"asks for the help": {args: []string{"up", "-h"}, want: options{command: "up"}, wantErr: flag.ErrHelp},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := parse(tt.args, io.Discard)
			if !errors.Is(err, tt.wantErr) {
				t.Errorf("error %v, want %v", err, tt.wantErr)
			}
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(options{})); diff != "" {
				t.Errorf("options (-want +got):\n%s", diff)
			}
		})
	}
}

func TestHelpNamesTheCommandsAndIsNoFailure(t *testing.T) {
	var stderr bytes.Buffer
	if err := run(t.Context(), []string{"help"}, io.Discard, &stderr); err != nil {
		t.Errorf("error %v", err)
	}
	for _, want := range []string{"sandbox up", "sandbox demo", "-token-secrets"} {
		if !strings.Contains(stderr.String(), want) {
			t.Errorf("no %q in:\n%s", want, &stderr)
		}
	}
}
