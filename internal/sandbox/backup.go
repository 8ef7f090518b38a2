// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Backup stops the API server and etcd for a moment and keeps a copy of etcd's data. The function that it returns
// restores them: from then on the API server knows nothing of what was written since, and counts resourceVersions on
// from there.
func (cp *ControlPlane) Backup(ctx context.Context) (restore func(context.Context) error, err error) {
	data, kept := filepath.Join(cp.dir, "etcd"), filepath.Join(cp.dir, "backup")
	err = cp.whileStopped(ctx, func() error {
		return errors.Join(os.RemoveAll(kept), os.CopyFS(kept, os.DirFS(data)))
	})
	if err != nil {
		return nil, fmt.Errorf("back up etcd: %w", err)
	}
	return func(ctx context.Context) error {
		err := cp.whileStopped(ctx, func() error {
			if err := os.RemoveAll(data); err != nil {
				return err
			}
			return errors.Join(os.CopyFS(data, os.DirFS(kept)), os.Chmod(data, 0o700)) // as etcd insists
		})
		if err != nil {
			return fmt.Errorf("restore etcd: %w", err)
		}
		return nil
	}, nil
}

// whileStopped does something while neither the API server nor etcd runs, and starts them again.
func (cp *ControlPlane) whileStopped(ctx context.Context, do func() error) error {
	cp.mu.Lock()
	defer cp.mu.Unlock()
	if cp.stopped {
		return errors.New("the control plane has been stopped")
	}
	cp.apiServer.Kill()
	cp.etcd.Kill()
	if err := do(); err != nil {
		return err
	}
	if err := cp.startEtcd(ctx); err != nil {
		return err
	}
	return cp.startAPIServer(ctx)
}
