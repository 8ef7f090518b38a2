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

	"github.com/breakout-operator/breakout-operator/internal/sandbox/environment"
)

func TestParse(t *testing.T) {
	tests := map[string]struct {
		args    []string
		want    environment.Options
		wantErr error
	}{
		"stays up": {args: []string{"up"}},
		"with all flags": {
			args: []string{"up", "--dir=d", "--simulator-address=127.0.0.1:1", "--token-secrets"},
			want: environment.Options{Dir: "d", SimulatorAddress: "127.0.0.1:1", TokenSecrets: true},
		},
		"no command":        {wantErr: errUsage},
		"unknown command":   {args: []string{"down"}, wantErr: errUsage},
		"unknown flag":      {args: []string{"up", "--port=1"}, wantErr: errUsage},
		"too many words":    {args: []string{"up", "now"}, wantErr: errUsage},
		"asks for help":     {args: []string{"--help"}, wantErr: flag.ErrHelp},
		"asks for the help": {args: []string{"up", "-h"}, wantErr: flag.ErrHelp},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := parse(tt.args, io.Discard)
			if !errors.Is(err, tt.wantErr) {
				t.Errorf("error %v, want %v", err, tt.wantErr)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
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
	for _, want := range []string{"sandbox up", "-token-secrets"} {
		if !strings.Contains(stderr.String(), want) {
			t.Errorf("no %q in:\n%s", want, &stderr)
		}
	}
}
