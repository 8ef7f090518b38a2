// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package vonage

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/time/rate"
	"k8s.io/utils/clock"
)

const (
	// DefaultRequestTimeout is the time one attempt of a call has, from dialling
	// to the end of the reply.
	DefaultRequestTimeout = 10 * time.Second
	// DefaultSignalTimeout is the same for a signal, which is of no use when late.
	DefaultSignalTimeout = 3 * time.Second

	defaultUserAgent = "breakout-operator"
)

// Client is the REST client of one project. Make one per account and share it:
// it is safe for concurrent use, keeps its connections, and holds the rate limit.
// It prints without secrets.
type Client struct {
	credentials    Credentials
	endpoint       string
	userAgent      string
	requestTimeout time.Duration
	signalTimeout  time.Duration
	clock          clock.WithDelayedExecution
	observe        func(op string, class Class, status int, duration time.Duration)

	// A RoundTripper and no http.Client: it follows no redirect by itself, which
	// would carry the JWT elsewhere, and its errors quote no URL.
	transport http.RoundTripper
	auth      *authorizer
	gate      *gate
	circuit   *circuit
}

// Option changes a default of NewClient.
type Option func(*settings)

type settings struct {
	endpoint       string
	userAgent      string
	rate           float64
	burst          int
	requestTimeout time.Duration
	signalTimeout  time.Duration
	clock          clock.WithDelayedExecution
	transport      http.RoundTripper
	observe        func(op string, class Class, status int, duration time.Duration)
	observeWait    func(op string, wait time.Duration)
	outageChanged  func(Outage)
	predecessor    *Client
}

// WithEndpoint sets the base URL, http or https, with an optional path and
// nothing behind it. Default and "": the environment's public endpoint. Plain
// http shows the JWT to the network: use it for a simulator only.
func WithEndpoint(baseURL string) Option {
	return func(s *settings) { s.endpoint = baseURL }
}

// WithRateLimit limits the requests sent: on average requestsPerSecond, at most
// burst at once (at least 1). Default, and if requestsPerSecond is not above 0:
// no limit.
func WithRateLimit(requestsPerSecond float64, burst int) Option {
	return func(s *settings) { s.rate, s.burst = requestsPerSecond, burst }
}

// WithClock sets the clock for JWTs, timeouts, the rate limit and durations.
// Default: the system's.
func WithClock(c clock.WithDelayedExecution) Option {
	return func(s *settings) { s.clock = c }
}

// WithUserAgent sets the User-Agent header. Default: "breakout-operator".
func WithUserAgent(agent string) Option {
	return func(s *settings) { s.userAgent = agent }
}

// WithTransport sets what carries the requests. It must pass httptrace events
// through, as everything built on http.Transport does: without them every failed
// request counts as not sent. Default: NewTransport().
func WithTransport(t http.RoundTripper) Option {
	return func(s *settings) { s.transport = t }
}

// WithTimeouts sets the time one attempt has, for signals and for all other
// calls. Waiting for the rate limit does not count. What is not above 0 leaves
// the default.
func WithTimeouts(request, signal time.Duration) Option {
	return func(s *settings) {
		if request > 0 {
			s.requestTimeout = request
		}
		if signal > 0 {
			s.signalTimeout = signal
		}
	}
}

// WithObserver sets a function to call after every request sent or tried to be
// sent: with the operation, the class of its outcome ("" for success), the HTTP
// status (0 for none) and the time it took without waiting for the rate limit.
// Calls refused or held back without a request are not observed. It must be safe
// for concurrent use.
func WithObserver(observe func(op string, class Class, status int, duration time.Duration)) Option {
	return func(s *settings) { s.observe = observe }
}

// WithWaitObserver sets a function to call with the time that a request has to
// wait for the rate limit, if any. It must be safe for concurrent use.
func WithWaitObserver(observe func(op string, wait time.Duration)) Option {
	return func(s *settings) { s.observeWait = observe }
}

// WithOutageObserver sets a function to call when an outage begins, and when it
// ends, then with the zero Outage. It must be safe for concurrent use and not
// block.
func WithOutageObserver(changed func(Outage)) Option {
	return func(s *settings) { s.outageChanged = changed }
}

// WithLimitsOf has the client go on where another one was with the rate limit,
// the pause that the server asked for, and an outage: for a key that is rotated.
// Both must have the same rate limit and endpoint.
func WithLimitsOf(predecessor *Client) Option {
	return func(s *settings) { s.predecessor = predecessor }
}

// NewClient returns a client for a project. It makes no call. It returns an
// error for zero credentials and for a malformed endpoint or user agent.
func NewClient(c Credentials, opts ...Option) (*Client, error) {
	if c.p == nil {
		return nil, errNoCredentials
	}
	s := settings{
		userAgent:      defaultUserAgent,
		requestTimeout: DefaultRequestTimeout,
		signalTimeout:  DefaultSignalTimeout,
		clock:          clock.RealClock{},
		observe:        func(string, Class, int, time.Duration) {},
		observeWait:    func(string, time.Duration) {},
	}
	for _, opt := range opts {
		opt(&s)
	}
	if s.endpoint == "" {
		s.endpoint = c.Environment().DefaultEndpoint()
	}
	endpoint, err := parseEndpoint(s.endpoint)
	if err != nil {
		return nil, err
	}
	if !isPrintable(s.userAgent) {
		return nil, errors.New("the user agent must be printable ASCII")
	}
	if s.transport == nil {
		s.transport = NewTransport()
	}
	client := &Client{
		credentials:    c,
		endpoint:       endpoint,
		userAgent:      s.userAgent,
		requestTimeout: s.requestTimeout,
		signalTimeout:  s.signalTimeout,
		clock:          s.clock,
		observe:        s.observe,
		transport:      s.transport,
		auth:           &authorizer{credentials: c},
		gate:           &gate{limiter: newLimiter(s.rate, s.burst), clock: s.clock, observe: s.observeWait},
		circuit:        &circuit{changed: s.outageChanged},
	}
	if s.predecessor != nil {
		client.gate, client.circuit = s.predecessor.gate, s.predecessor.circuit
	}
	return client, nil
}

// parseEndpoint does not quote the URL in its errors: whoever puts a user name
// into it may have put a password there too.
func parseEndpoint(endpoint string) (string, error) {
	u, err := url.Parse(endpoint)
	switch {
	case err != nil:
		return "", errors.New("the endpoint is not a URL")
	case u.Scheme != "http" && u.Scheme != "https":
		return "", errors.New("the endpoint must start with https:// (or http:// for a simulator)")
	case u.Hostname() == "":
		return "", errors.New("the endpoint has no host")
	case u.User != nil:
		return "", errors.New("the endpoint must not contain a user name or password")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.Contains(endpoint, "#"):
		return "", errors.New("the endpoint must not contain a query or fragment")
	}
	return strings.TrimRight(endpoint, "/"), nil
}

func newLimiter(requestsPerSecond float64, burst int) *rate.Limiter {
	if !(requestsPerSecond > 0) || math.IsInf(requestsPerSecond, 1) {
		return rate.NewLimiter(rate.Inf, 0)
	}
	return rate.NewLimiter(rate.Limit(requestsPerSecond), max(burst, 1))
}

func isPrintable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// Credentials returns the credentials the client was made with.
func (c *Client) Credentials() Credentials {
	return c.credentials
}

// Outage returns the outage that lasts, or the zero value. After OutageThreshold
// requests in a row that got no usable answer, calls are not sent any more but
// fail with ClassTransient, until a probe is answered: the first call that comes
// a second later makes one, then two seconds later, and so on up to half a minute.
func (c *Client) Outage() Outage {
	return c.circuit.outage()
}

// Close closes the idle connections. Calls under way go on, and the client can
// still be used.
func (c *Client) Close() {
	if t, ok := c.transport.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}

// String returns a text without secrets. The methods for printing have value
// receivers, so that a copy of the client is as discreet.
func (c Client) String() string {
	return fmt.Sprintf("vonage.Client{%s %s, key %s (redacted)}",
		c.credentials.Environment(), c.credentials.ProjectID(), c.credentials.KeyID())
}

// Format implements fmt.Formatter: every verb and flag prints String.
func (c Client) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, c.String())
}

// MarshalJSON implements json.Marshaler without secrets.
func (c Client) MarshalJSON() ([]byte, error) {
	return json.Marshal(c.String())
}

// LogValue implements slog.LogValuer without secrets.
func (c Client) LogValue() slog.Value {
	return slog.StringValue(c.String())
}

// MarshalLog implements logr.Marshaler without secrets.
func (c Client) MarshalLog() any {
	return c.String()
}
