// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

const (
	// startTimeout bounds the start of each process; slow machines under load need much of it.
	startTimeout = 60 * time.Second
	// portAttempts is how often another port is tried when somebody takes the API server's before it listens.
	portAttempts = 5
)

// Options are the choices that Start offers.
type Options struct {
	// Binaries are the programs to run; Assets finds them if this is the zero value.
	Binaries Binaries
	// CRDs are YAML files, or folders of them, with CustomResourceDefinitions. They are served when Start
	// returns, and the garbage collector knows them from the start. (Of those installed later it learns
	// within seconds.)
	CRDs []string
	// WithoutControllers leaves out garbage collection and the end of namespaces, for tests that need none of
	// them and want to start sooner.
	WithoutControllers bool
	// APIServerArgs are further flags of kube-apiserver; the last one of a name wins.
	APIServerArgs []string
	// Dir holds keys, data and logs. If it is empty a temporary folder is used, which Stop removes.
	Dir string
	// Progress takes lines for people while something takes long. It may be nil.
	Progress io.Writer
}

// ControlPlane is a running control plane. Its methods may be called by several goroutines at once.
type ControlPlane struct {
	dir        string
	ownsDir    bool
	binaries   Binaries
	extraArgs  []string
	creds      *credentials
	config     *rest.Config
	background context.Context
	cancel     context.CancelFunc
	refreshers sync.WaitGroup

	// mu guards what follows.
	mu            sync.Mutex
	stopped       bool
	tokens        map[string]string
	etcd          *Process
	apiServer     *Process
	apiServerPort int
	controllers   *Process
}

// Start runs a control plane and returns when it serves: within a few seconds if the binaries are there.
// ctx bounds the start only; the control plane runs until Stop, or until this process ends (on Linux in
// whatever way it ends, elsewhere by the terminal's interrupt).
func Start(ctx context.Context, o Options) (_ *ControlPlane, err error) {
	binaries := o.Binaries
	if binaries == (Binaries{}) {
		if binaries, err = Assets(ctx, o.Progress); err != nil {
			return nil, err
		}
	}
	cp := &ControlPlane{binaries: binaries, extraArgs: o.APIServerArgs, tokens: map[string]string{}}
	if err := cp.prepareDir(o.Dir); err != nil {
		return nil, err
	}
	cp.background, cp.cancel = context.WithCancel(context.WithoutCancel(ctx))
	defer func() {
		if err != nil {
			err = errors.Join(err, cp.Stop())
		}
	}()
	if cp.creds, err = newCredentials(cp.dir); err != nil {
		return nil, err
	}
	cp.mu.Lock()
	defer cp.mu.Unlock()
	if err := cp.startEtcd(ctx); err != nil {
		return nil, err
	}
	if err := cp.startAPIServerOnFreePort(ctx); err != nil {
		return nil, err
	}
	if len(o.CRDs) > 0 {
		if _, err := envtest.InstallCRDs(
			cp.config, envtest.CRDInstallOptions{Paths: o.CRDs, ErrorIfPathMissing: true},
		); err != nil {
			return nil, fmt.Errorf("install the custom resource definitions: %w", err)
		}
	}
	if !o.WithoutControllers {
		if err := cp.startControllers(ctx); err != nil {
			return nil, err
		}
	}
	return cp, nil
}

func (cp *ControlPlane) prepareDir(dir string) error {
	if dir == "" {
		made, err := os.MkdirTemp("", "breakout-operator-")
		if err != nil {
			return fmt.Errorf("make the control plane's folder: %w", err)
		}
		cp.dir, cp.ownsDir = made, true
		return nil
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("make the control plane's folder: %w", err)
	}
	cp.dir = abs
	if err := os.MkdirAll(abs, 0o700); err != nil {
		return fmt.Errorf("make the control plane's folder: %w", err)
	}
	return nil
}

// Dir returns the folder with keys, data and logs (etcd.log, kube-apiserver.log, kube-controllers.log).
func (cp *ControlPlane) Dir() string { return cp.dir }

// Config returns a new client configuration with all rights (system:masters) and no client-side rate
// limit worth mentioning.
func (cp *ControlPlane) Config() *rest.Config { return rest.CopyConfig(cp.config) }

// Stop ends the control plane at once and removes its data. It may be called more than once.
func (cp *ControlPlane) Stop() error {
	cp.mu.Lock()
	defer cp.mu.Unlock()
	if cp.stopped {
		return nil
	}
	cp.stopped = true
	cp.cancel()
	cp.refreshers.Wait()
	// Killed, not asked: the data go anyway, and an API server waits long for its open watches.
	cp.controllers.Kill()
	cp.apiServer.Kill()
	cp.etcd.Kill()
	if cp.ownsDir {
		if err := os.RemoveAll(cp.dir); err != nil {
			return fmt.Errorf("remove the control plane's folder: %w", err)
		}
	}
	return nil
}

// StopAPIServer kills the API server, as a crash would. Its data stay, and StartAPIServer continues with
// them.
func (cp *ControlPlane) StopAPIServer() {
	cp.mu.Lock()
	defer cp.mu.Unlock()
	cp.apiServer.Kill()
}

// StartAPIServer starts the API server again after StopAPIServer, on the same port, with the same keys and
// data, and returns when it serves.
func (cp *ControlPlane) StartAPIServer(ctx context.Context) error {
	cp.mu.Lock()
	defer cp.mu.Unlock()
	if cp.stopped {
		return errors.New("start the API server: the control plane has been stopped")
	}
	return cp.startAPIServer(ctx)
}

// RestartAPIServer is StopAPIServer and StartAPIServer in one.
func (cp *ControlPlane) RestartAPIServer(ctx context.Context) error {
	cp.StopAPIServer()
	return cp.StartAPIServer(ctx)
}

// startEtcd runs etcd on sockets in the control plane's folder, where no other program can take a port
// from it or be mistaken for it.
func (cp *ControlPlane) startEtcd(ctx context.Context) (err error) {
	peers := "unix://" + filepath.Join(cp.dir, "peer.sock")
	cp.etcd, err = startProcess(cp.dir, etcdName, cp.binaries.Etcd, []string{
		"--name=sandbox",
		"--data-dir=" + filepath.Join(cp.dir, "etcd"),
		"--listen-client-urls=" + cp.etcdURL(),
		"--advertise-client-urls=" + cp.etcdURL(),
		"--listen-peer-urls=" + peers,
		"--initial-advertise-peer-urls=" + peers,
		"--initial-cluster=sandbox=" + peers,
		"--unsafe-no-fsync",
		"--log-level=warn",
	})
	if err != nil {
		return err
	}
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", cp.etcdSocket())
		},
	}}
	return cp.etcd.WaitUntil(ctx, startTimeout, func(ctx context.Context) error {
		return expectOK(ctx, client, "http://etcd/health")
	})
}

func (cp *ControlPlane) etcdSocket() string { return filepath.Join(cp.dir, "client.sock") }
func (cp *ControlPlane) etcdURL() string    { return "unix://" + cp.etcdSocket() }

func (cp *ControlPlane) startAPIServerOnFreePort(ctx context.Context) (err error) {
	for range portAttempts {
		if cp.apiServerPort, err = freePort(ctx); err != nil {
			return fmt.Errorf("find a port for the API server: %w", err)
		}
		cp.config = &rest.Config{
			Host: "https://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(cp.apiServerPort)),
			TLSClientConfig: rest.TLSClientConfig{
				CAData: cp.creds.caPEM, CertData: cp.creds.adminCertPEM, KeyData: cp.creds.adminKeyPEM,
			},
			QPS:   1000,
			Burst: 2000,
		}
		err = cp.startAPIServer(ctx)
		if err == nil || ctx.Err() != nil || !cp.apiServer.Ended() {
			return err
		}
	}
	return err
}

func (cp *ControlPlane) startAPIServer(ctx context.Context) (err error) {
	args := []string{
		"--etcd-servers=" + cp.etcdURL(),
		"--bind-address=127.0.0.1",
		// Without these two it looks for a network interface, which a machine without network has not.
		"--advertise-address=127.0.0.1",
		"--endpoint-reconciler-type=none",
		"--secure-port=" + strconv.Itoa(cp.apiServerPort),
		"--tls-cert-file=" + cp.creds.servingCertFile,
		"--tls-private-key-file=" + cp.creds.servingKeyFile,
		"--client-ca-file=" + cp.creds.caFile,
		"--authorization-mode=RBAC",
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + cp.creds.serviceAccountKeyFile,
		"--service-account-signing-key-file=" + cp.creds.serviceAccountKeyFile,
		"--service-cluster-ip-range=10.0.0.0/24",
		"--allow-privileged=true",
		// Tests ask as much at once as they like.
		"--enable-priority-and-fairness=false",
		"--max-requests-inflight=0",
		"--max-mutating-requests-inflight=0",
		"--profiling=false",
	}
	cp.apiServer, err = startProcess(cp.dir, apiServerName, cp.binaries.APIServer, append(args, cp.extraArgs...))
	if err != nil {
		return err
	}
	client, err := rest.HTTPClientFor(cp.config)
	if err != nil {
		return fmt.Errorf("make a client of the API server: %w", err)
	}
	defer client.CloseIdleConnections()
	return cp.apiServer.WaitUntil(ctx, startTimeout, func(ctx context.Context) error {
		return expectOK(ctx, client, cp.config.Host+"/readyz")
	})
}

func (cp *ControlPlane) startControllers(ctx context.Context) (err error) {
	kubeconfig := filepath.Join(cp.dir, controllersName+".kubeconfig")
	if err := cp.Kubeconfig(kubeconfig); err != nil {
		return err
	}
	ready := filepath.Join(cp.dir, controllersName+".ready")
	// A control plane that had this folder before may have left it.
	if err := os.Remove(ready); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("start %s: %w", controllersName, err)
	}
	cp.controllers, err = startProcess(cp.dir, controllersName, cp.binaries.Controllers, []string{
		"--kubeconfig=" + kubeconfig,
		"--ready-file=" + ready,
	})
	if err != nil {
		return err
	}
	return cp.controllers.WaitUntil(ctx, startTimeout, func(context.Context) error {
		_, err := os.Stat(ready)
		return err
	})
}

func expectOK(ctx context.Context, client *http.Client, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", url, resp.Status)
	}
	return nil
}

// freePort returns a TCP port of the loopback interface that nobody listens on at this moment.
func freePort(ctx context.Context) (int, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}
