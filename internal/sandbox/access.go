// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/utils/ptr"
)

const (
	// tokenLife is how long a ServiceAccount's token is valid, and tokenRenewal when the next one is
	// written; clients read the file once a minute.
	tokenLife    = time.Hour
	tokenRenewal = 20 * time.Minute
)

// Kubeconfig writes a kubeconfig file with all rights to path. Nothing in it refers to other files.
func (cp *ControlPlane) Kubeconfig(path string) error {
	return cp.writeKubeconfig(path, "sandbox-admin", &clientcmdapi.AuthInfo{
		ClientCertificateData: cp.creds.adminCertPEM,
		ClientKeyData:         cp.creds.adminKeyPEM,
	})
}

// ServiceAccountConfig returns a client configuration that authenticates as the ServiceAccount, which
// must exist, so that only what RBAC grants to it is allowed. The token is renewed until Stop.
func (cp *ControlPlane) ServiceAccountConfig(ctx context.Context, namespace, name string) (*rest.Config, error) {
	tokenFile, err := cp.serviceAccountToken(ctx, namespace, name)
	if err != nil {
		return nil, err
	}
	config := rest.AnonymousClientConfig(cp.config)
	config.BearerTokenFile = tokenFile
	return config, nil
}

// ServiceAccountKubeconfig writes a kubeconfig file that authenticates as the ServiceAccount to path. It
// refers to a token file of this control plane, which is renewed until Stop.
func (cp *ControlPlane) ServiceAccountKubeconfig(ctx context.Context, namespace, name, path string) error {
	tokenFile, err := cp.serviceAccountToken(ctx, namespace, name)
	if err != nil {
		return err
	}
	return cp.writeKubeconfig(path, namespace+"/"+name, &clientcmdapi.AuthInfo{TokenFile: tokenFile})
}

// serviceAccountToken returns the path of a file with a valid token of the ServiceAccount, and keeps it
// valid.
func (cp *ControlPlane) serviceAccountToken(ctx context.Context, namespace, name string) (string, error) {
	key := namespace + "." + name // no namespace has a dot in its name
	cp.mu.Lock()
	defer cp.mu.Unlock()
	if cp.stopped {
		return "", errors.New("get a service account's token: the control plane has been stopped")
	}
	if path, ok := cp.tokens[key]; ok {
		return path, nil
	}
	clients, err := kubernetes.NewForConfig(cp.config)
	if err != nil {
		return "", fmt.Errorf("make a client of the API server: %w", err)
	}
	path := filepath.Join(cp.dir, key+".token")
	renew := func(ctx context.Context) error {
		answer, err := clients.CoreV1().ServiceAccounts(namespace).CreateToken(ctx, name,
			&authenticationv1.TokenRequest{
				Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: ptr.To(int64(tokenLife / time.Second))},
			}, metav1.CreateOptions{})
		if err != nil {
			return fmt.Errorf("get a token for the ServiceAccount %s/%s: %w", namespace, name, err)
		}
		return writeFileAtomically(path, []byte(answer.Status.Token))
	}
	if err := renew(ctx); err != nil {
		return "", err
	}
	cp.tokens[key] = path
	cp.refreshers.Go(func() {
		ticker := time.NewTicker(tokenRenewal)
		defer ticker.Stop()
		for {
			select {
			case <-cp.background.Done():
				return
			case <-ticker.C:
				// One failure is made good by the next turn, long before the old token expires.
				_ = renew(cp.background)
			}
		}
	})
	return path, nil
}

func (cp *ControlPlane) writeKubeconfig(path, user string, auth *clientcmdapi.AuthInfo) error {
	const name = "breakout-operator-sandbox"
	text, err := clientcmd.Write(clientcmdapi.Config{
		Clusters: map[string]*clientcmdapi.Cluster{name: {
			Server: cp.config.Host, CertificateAuthorityData: cp.creds.caPEM,
		}},
		AuthInfos:      map[string]*clientcmdapi.AuthInfo{user: auth},
		Contexts:       map[string]*clientcmdapi.Context{name: {Cluster: name, AuthInfo: user}},
		CurrentContext: name,
	})
	if err != nil {
		return fmt.Errorf("write the kubeconfig: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("write the kubeconfig: %w", err)
	}
	return writeFileAtomically(path, text)
}

// writeFileAtomically replaces the file at path, readable only by its owner; readers see the old or the
// new text.
func writeFileAtomically(path string, text []byte) error {
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		_ = os.Remove(file.Name())
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
