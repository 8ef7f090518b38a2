// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// certificateLife is longer than any sandbox stays up.
const certificateLife = 365 * 24 * time.Hour

// credentials are the keys and certificates of one control plane. Files are written once and stay, so
// that a restarted API server accepts what it accepted before.
type credentials struct {
	// caPEM is the authority that the API server's certificate and all client certificates come from.
	caPEM []byte
	// adminCertPEM and adminKeyPEM authenticate a member of system:masters.
	adminCertPEM, adminKeyPEM []byte

	caFile, servingCertFile, servingKeyFile string
	// serviceAccountKeyFile signs and checks the tokens of ServiceAccounts.
	serviceAccountKeyFile string
}

// newCredentials makes new keys and writes what the API server needs into dir.
func newCredentials(dir string) (*credentials, error) {
	ca, err := newAuthority()
	if err != nil {
		return nil, fmt.Errorf("make the control plane's certificates: %w", err)
	}
	servingCert, servingKey, err := ca.issue(&x509.Certificate{
		Subject:     pkix.Name{CommonName: "kube-apiserver"},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:    []string{"localhost", "kubernetes.default.svc"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	})
	if err != nil {
		return nil, fmt.Errorf("make the API server's certificate: %w", err)
	}
	adminCert, adminKey, err := ca.issue(&x509.Certificate{
		Subject:     pkix.Name{CommonName: "sandbox-admin", Organization: []string{"system:masters"}},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return nil, fmt.Errorf("make the administrator's certificate: %w", err)
	}
	_, serviceAccountKey, err := newKey()
	if err != nil {
		return nil, fmt.Errorf("make the key of service account tokens: %w", err)
	}
	c := &credentials{
		caPEM: ca.certPEM, adminCertPEM: adminCert, adminKeyPEM: adminKey,
		caFile:                filepath.Join(dir, "ca.crt"),
		servingCertFile:       filepath.Join(dir, "apiserver.crt"),
		servingKeyFile:        filepath.Join(dir, "apiserver.key"),
		serviceAccountKeyFile: filepath.Join(dir, "service-account.key"),
	}
	for path, text := range map[string][]byte{
		c.caFile:                ca.certPEM,
		c.servingCertFile:       servingCert,
		c.servingKeyFile:        servingKey,
		c.serviceAccountKeyFile: serviceAccountKey,
	} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			return nil, fmt.Errorf("write the control plane's certificates: %w", err)
		}
	}
	return c, nil
}

// authority is a certificate authority that lives in memory.
type authority struct {
	cert    *x509.Certificate
	certPEM []byte
	key     *ecdsa.PrivateKey
}

func newAuthority() (*authority, error) {
	key, _, err := newKey()
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "breakout-operator sandbox"},
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	if err := prepare(template); err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &authority{cert: cert, certPEM: encodePEM("CERTIFICATE", der), key: key}, nil
}

// issue returns a new certificate after the template and its key, both as PEM.
func (a *authority) issue(template *x509.Certificate) (certPEM, keyPEM []byte, err error) {
	key, keyPEM, err := newKey()
	if err != nil {
		return nil, nil, err
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	if err := prepare(template); err != nil {
		return nil, nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		return nil, nil, err
	}
	return encodePEM("CERTIFICATE", der), keyPEM, nil
}

// prepare fills in what all certificates need.
func prepare(template *x509.Certificate) error {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return err
	}
	template.SerialNumber = serial
	// An hour back, for the clocks of containers and virtual machines.
	template.NotBefore = time.Now().Add(-time.Hour)
	template.NotAfter = time.Now().Add(certificateLife)
	return nil
}

func newKey() (*ecdsa.PrivateKey, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	return key, encodePEM("EC PRIVATE KEY", der), nil
}

func encodePEM(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
