// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"k8s.io/utils/clock"
)

// Options of a Simulator. The zero value is a simulator without projects on the real clock.
type Options struct {
	// Clock tells the time and runs latencies, grace periods and callback retries. Default: the real one.
	Clock clock.WithTicker
	// Projects known from the start. Each must be valid (Project.Validate).
	Projects []Project
	// EmptySession says what a signal to a session without clients gets. Default: EmptySessionNotFound.
	EmptySession EmptySessionMode
	// EmptySessionGrace belongs to EmptySessionNoContentAfterUse; zero is for ever.
	EmptySessionGrace time.Duration
	// SignalSize says how the length of a signal's data is counted. Default: SignalSizeRaw.
	SignalSize SignalSizeMode
	// ForeignSessionStatus answers a malformed session ID or one of another project: 400 (default) or 404.
	ForeignSessionStatus int
	// BadBearerStatus answers a bearer token that is no good Vonage JWT: 403 (default) or 401.
	BadBearerStatus int
	// SessionDestroyDelay is how long after the last disconnect the callback sessionDestroyed comes. Default: at once.
	SessionDestroyDelay time.Duration
	// CallbackURL receives the session-monitoring callbacks; "" for none.
	CallbackURL string
	// CallbackSecret signs them; "" for unsigned ones.
	CallbackSecret string
	// CallbackClient sends them. Default: one with a timeout of 10 s.
	CallbackClient *http.Client
	// Logger gets one line per call at debug level. Default: none.
	Logger *slog.Logger
	// Seed makes IDs and fault probabilities repeatable; zero picks one.
	Seed uint64
	// MaxCalls bounds the call log and the log of callbacks to the latest so many; 0 keeps all.
	MaxCalls int
	// MaxSignals bounds the signals a client keeps to the latest so many; 0 keeps all.
	MaxSignals int
	// MaxHistory bounds the signals a session keeps for the page and Sessions. Default 20; negative keeps none.
	MaxHistory int
	// MaxSessions bounds the sessions that are listed: beyond it the oldest without a client are forgotten (their IDs
	// stay good, as at the vendor). 0 keeps all.
	MaxSessions int
}

// Simulator is a Vonage Video API server for both environments. It is safe for concurrent use.
type Simulator struct {
	opts  Options
	clock clock.WithTicker
	log   *slog.Logger

	projectsMu sync.Mutex
	projects   atomic.Pointer[map[string]*Project]
	jwts       jwtCache

	latencyMu sync.RWMutex
	latency   time.Duration
	opLatency map[Op]time.Duration
	offset    atomic.Int64 // of the server's clock, in ns

	emptyMu    sync.RWMutex
	emptyMode  EmptySessionMode
	emptyGrace time.Duration

	randMu sync.Mutex
	rand   *rand.ChaCha8

	sessions  sessionStore
	faults    faultList
	calls     callLog
	hub       hub
	callbacks monitor
	signalIDs atomic.Int64

	closeMu sync.Mutex
	closed  bool
	ctx     context.Context // ends with Close
	cancel  context.CancelFunc
	done    <-chan struct{}
	wg      sync.WaitGroup
}

// New returns a simulator. It panics when a project or a mode in the options is not valid: that is a mistake in the
// program, not a condition to handle (check input from outside with Project.Validate).
func New(o Options) *Simulator {
	withDefaults(&o)
	s := &Simulator{opts: o, clock: o.Clock, log: o.Logger, opLatency: map[Op]time.Duration{}}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.done = s.ctx.Done()
	if o.SignalSize != SignalSizeRaw && o.SignalSize != SignalSizeEncoded {
		panic(fmt.Sprintf("simulator: unknown way to count the size of signals %q: give %s or %s", o.SignalSize,
			SignalSizeRaw, SignalSizeEncoded))
	}
	s.projects.Store(&map[string]*Project{})
	for _, p := range o.Projects {
		if err := s.AddProject(p); err != nil {
			panic(fmt.Sprintf("simulator: %v", err))
		}
	}
	if err := s.SetEmptySession(o.EmptySession, o.EmptySessionGrace); err != nil {
		panic(fmt.Sprintf("simulator: %v", err))
	}
	seed := o.Seed
	if seed == 0 {
		seed = rand.Uint64()
	}
	s.opts.Seed = seed
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	s.rand = rand.NewChaCha8(key)
	s.faults.rand = rand.New(rand.NewPCG(seed, seed))
	s.sessions.init()
	s.callbacks.init(s)
	return s
}

func withDefaults(o *Options) {
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	if o.EmptySession == "" {
		o.EmptySession = EmptySessionNotFound
	}
	if o.SignalSize == "" {
		o.SignalSize = SignalSizeRaw
	}
	if o.ForeignSessionStatus == 0 {
		o.ForeignSessionStatus = http.StatusBadRequest
	}
	if o.BadBearerStatus == 0 {
		o.BadBearerStatus = http.StatusForbidden
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.CallbackClient == nil {
		o.CallbackClient = &http.Client{Timeout: 10 * time.Second}
	}
	if o.MaxHistory == 0 {
		o.MaxHistory = 20
	}
}

// Close ends event streams, callbacks and calls that are held by a fault, and waits for the simulator's goroutines.
func (s *Simulator) Close() {
	s.closeMu.Lock()
	if !s.closed {
		s.closed = true
		s.cancel()
	}
	s.closeMu.Unlock()
	s.wg.Wait()
}

// spawn runs f in a goroutine that Close waits for; false, without running it, once the simulator is closed.
func (s *Simulator) spawn(f func()) bool {
	s.closeMu.Lock()
	defer s.closeMu.Unlock()
	if s.closed {
		return false
	}
	s.wg.Go(f)
	return true
}

// SetLatency delays every call of the vendor's API by d before it is looked at, except operations with a latency of
// their own.
func (s *Simulator) SetLatency(d time.Duration) {
	s.latencyMu.Lock()
	defer s.latencyMu.Unlock()
	s.latency = d
}

// SetOpLatency gives one operation a latency of its own; a negative one takes that back.
func (s *Simulator) SetOpLatency(op Op, d time.Duration) {
	s.latencyMu.Lock()
	defer s.latencyMu.Unlock()
	if d < 0 {
		delete(s.opLatency, op)
		return
	}
	s.opLatency[op] = d
}

func (s *Simulator) latencyOf(op Op) time.Duration {
	s.latencyMu.RLock()
	defer s.latencyMu.RUnlock()
	if d, ok := s.opLatency[op]; ok {
		return d
	}
	return s.latency
}

// SetClockOffset makes the server's clock differ from the injected one: a negative offset makes JWTs appear to be
// issued in the future.
func (s *Simulator) SetClockOffset(d time.Duration) { s.offset.Store(int64(d)) }

// SetEmptySession changes what a signal to a session without clients gets.
func (s *Simulator) SetEmptySession(mode EmptySessionMode, grace time.Duration) error {
	switch mode {
	case EmptySessionNotFound, EmptySessionNoContent, EmptySessionNoContentAfterUse:
	default:
		return fmt.Errorf("unknown empty-session mode %q: give %s, %s or %s", mode, EmptySessionNotFound,
			EmptySessionNoContent, EmptySessionNoContentAfterUse)
	}
	s.emptyMu.Lock()
	defer s.emptyMu.Unlock()
	s.emptyMode, s.emptyGrace = mode, grace
	return nil
}

// now is the server's time.
func (s *Simulator) now() time.Time { return s.clock.Now().Add(time.Duration(s.offset.Load())) }

// sleep waits on the injected clock; false when the simulator was closed meanwhile.
func (s *Simulator) sleep(d time.Duration) bool {
	if d <= 0 {
		return true
	}
	t := s.clock.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C():
		return true
	case <-s.done:
		return false
	}
}

func (s *Simulator) randomBytes(b []byte) {
	s.randMu.Lock()
	defer s.randMu.Unlock()
	_, _ = s.rand.Read(b) // never fails
}

func (s *Simulator) newUUID() string {
	var b [16]byte
	s.randomBytes(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return uuid.UUID(b).String()
}

// NewSessionID returns an ID as the vendor would make it for the project. It is good without any call: the vendor keeps
// no state of a session before its first client.
func (s *Simulator) NewSessionID(projectID string, relayed bool) string {
	return s.newSessionID(projectID, "", relayed)
}

func (s *Simulator) newSessionID(projectID, location string, relayed bool) string {
	var b [18]byte
	s.randomBytes(b[:])
	return SessionIDParts{
		ProjectID: projectID, Location: location, CreatedAt: s.now(), Relayed: relayed,
		Random: base64.StdEncoding.EncodeToString(b[:]),
	}.Encode()
}
