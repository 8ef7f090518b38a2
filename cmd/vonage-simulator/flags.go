// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/breakout-operator/breakout-operator/internal/simulator"
)

type options struct {
	bindAddress string
	latency     time.Duration
	verbose     bool
	sim         simulator.Options
}

// projectSource names a project and the file of its credential.
type projectSource struct {
	Environment   simulator.Environment `json:"environment"`
	ID            string                `json:"id"`
	PublicKeyFile string                `json:"publicKeyFile,omitempty"`
	SecretFile    string                `json:"secretFile,omitempty"`
}

type projectsFile struct {
	Projects []projectSource `json:"projects"`
}

func parseFlags(args []string, errOut io.Writer) (*options, error) {
	o := &options{}
	var sources []projectSource
	var emptySession, signalSize, callbackSecretFile, projects string
	fs := flag.NewFlagSet("vonage-simulator", flag.ContinueOnError)
	fs.SetOutput(errOut)
	fs.StringVar(&o.bindAddress, "bind-address", "127.0.0.1:7070", "`address` to listen on; port 0 picks a free one")
	fs.Func("project",
		"a project, repeatable: environment=Unified,id=UUID,publicKeyFile=PEM or "+
			"environment=OpenTok,id=KEY,secretFile=FILE", func(v string) error {
			p, err := parseProject(v)
			sources = append(sources, p)
			return err
		})
	fs.StringVar(&projects, "projects", "",
		"YAML or JSON `file` with projects: {projects: [{environment, id, publicKeyFile or secretFile}]}; its paths "+
			"are relative to it")
	fs.StringVar(&emptySession, "empty-session", string(simulator.EmptySessionNotFound),
		"what a signal to a session without clients gets: NotFound, NoContent or NoContentAfterUse")
	fs.DurationVar(&o.sim.EmptySessionGrace, "empty-session-grace", 0,
		"how long NoContentAfterUse lasts after the last disconnect; 0 is for ever")
	fs.StringVar(&signalSize, "signal-size", string(simulator.SignalSizeRaw),
		"how the length of a signal's data is counted, of which there may be 8192: raw, its bytes, or encoded, as "+
			"JSON.stringify(data).length")
	fs.IntVar(&o.sim.ForeignSessionStatus, "foreign-session-status", 400,
		"`status` for a malformed session ID or one of another project: 400 or 404")
	fs.DurationVar(&o.latency, "latency", 0, "delay of every call, for example 100ms")
	fs.StringVar(&o.sim.CallbackURL, "callback-url", "",
		"`URL` that receives session-monitoring callbacks; none if empty")
	fs.StringVar(&callbackSecretFile, "callback-secret-file", "",
		"`file` with the secret that signs callbacks; unsigned if empty")
	fs.DurationVar(&o.sim.SessionDestroyDelay, "session-destroy-delay", 0,
		"how long after the last disconnect the sessionDestroyed callback comes")
	fs.Uint64Var(&o.sim.Seed, "seed", 0, "makes IDs and fault probabilities repeatable; 0 picks one")
	fs.IntVar(&o.sim.MaxCalls, "max-calls", 100_000, "how many calls the log keeps; 0 is all")
	fs.IntVar(&o.sim.MaxSignals, "max-signals", 1000, "how many signals a client keeps; 0 is all")
	fs.IntVar(&o.sim.MaxSessions, "max-sessions", 100_000, "how many sessions are listed; 0 is all")
	fs.BoolVar(&o.verbose, "verbose", false, "log every call")
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	if fs.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	o.sim.SignalSize = simulator.SignalSizeMode(signalSize)
	return o, o.complete(sources, projects, emptySession, callbackSecretFile)
}

// complete reads the files and checks what the flag package cannot.
func (o *options) complete(sources []projectSource, projects, emptySession, callbackSecretFile string) error {
	if projects != "" {
		more, err := readProjects(projects)
		if err != nil {
			return err
		}
		sources = append(sources, more...)
	}
	if len(sources) == 0 {
		return errors.New("no project: give --project or --projects")
	}
	for _, src := range sources {
		p, err := src.load()
		if err != nil {
			return err
		}
		o.sim.Projects = append(o.sim.Projects, p)
	}
	o.sim.EmptySession = simulator.EmptySessionMode(emptySession)
	switch o.sim.EmptySession {
	case simulator.EmptySessionNotFound, simulator.EmptySessionNoContent, simulator.EmptySessionNoContentAfterUse:
	default:
		return fmt.Errorf("unknown --empty-session %q: give NotFound, NoContent or NoContentAfterUse", emptySession)
	}
	if s := o.sim.SignalSize; s != simulator.SignalSizeRaw && s != simulator.SignalSizeEncoded {
		return fmt.Errorf("unknown --signal-size %q: give raw or encoded", s)
	}
	if s := o.sim.ForeignSessionStatus; s != 400 && s != 404 {
		return fmt.Errorf("unknown --foreign-session-status %d: give 400 or 404", s)
	}
	if callbackSecretFile != "" {
		secret, err := readSecret(callbackSecretFile)
		if err != nil {
			return err
		}
		o.sim.CallbackSecret = secret
	}
	return nil
}

func parseProject(v string) (projectSource, error) {
	var p projectSource
	for part := range strings.SplitSeq(v, ",") {
		key, value, _ := strings.Cut(part, "=")
		switch key {
		case "environment":
			p.Environment = simulator.Environment(value)
		case "id":
			p.ID = value
		case "publicKeyFile":
			p.PublicKeyFile = value
		case "secretFile":
			p.SecretFile = value
		default:
			return p, fmt.Errorf("unknown part %q: give environment, id, publicKeyFile or secretFile", key)
		}
	}
	return p, nil
}

func readProjects(path string) ([]projectSource, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the projects: %w", err)
	}
	var f projectsFile
	if err := yaml.UnmarshalStrict(text, &f); err != nil {
		return nil, fmt.Errorf("reading the projects in %s: %w", path, err)
	}
	for i := range f.Projects {
		for _, file := range []*string{&f.Projects[i].PublicKeyFile, &f.Projects[i].SecretFile} {
			if *file != "" && !filepath.IsAbs(*file) {
				*file = filepath.Join(filepath.Dir(path), *file)
			}
		}
	}
	return f.Projects, nil
}

func (src projectSource) load() (simulator.Project, error) {
	p := simulator.Project{Environment: src.Environment, ID: src.ID}
	var err error
	if src.PublicKeyFile != "" {
		p.PublicKey, err = readPublicKey(src.PublicKeyFile)
	}
	if err == nil && src.SecretFile != "" {
		p.Secret, err = readSecret(src.SecretFile)
	}
	if err == nil {
		err = p.Validate()
	}
	return p, err
}

func readSecret(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("reading a secret: %w", err)
	}
	return string(bytes.TrimSpace(text)), nil
}

// readPublicKey reads a public key, or a private one of which it takes the public half: so the file that the operator
// uses will do.
func readPublicKey(path string) (*rsa.PublicKey, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading a public key: %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("reading a public key: %s is not PEM", path)
	}
	if key, err := x509.ParsePKIXPublicKey(block.Bytes); err == nil {
		if pub, ok := key.(*rsa.PublicKey); ok {
			return pub, nil
		}
	}
	if pub, err := x509.ParsePKCS1PublicKey(block.Bytes); err == nil {
		return pub, nil
	}
	if key, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
		if private, ok := key.(*rsa.PrivateKey); ok {
			return &private.PublicKey, nil
		}
	}
	if private, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return &private.PublicKey, nil
	}
	return nil, fmt.Errorf("reading a public key: %s holds no RSA key", path)
}
