// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package vonage

// Environment is one of the two systems that offer the Video API. They share
// paths and bodies and differ in host, credentials and authentication header.
type Environment string

const (
	// Unified is the current Vonage environment: an application ID (a UUID)
	// with an RSA private key.
	Unified Environment = "Unified"
	// OpenTok is the older environment, closed to new customers: an API key
	// (decimal digits) with an API secret.
	OpenTok Environment = "OpenTok"
)

// DefaultEndpoint returns the public base URL of the environment's REST API, or
// "" for an unknown environment.
func (e Environment) DefaultEndpoint() string {
	switch e {
	case Unified:
		return "https://video.api.vonage.com"
	case OpenTok:
		return "https://api.opentok.com"
	default:
		return ""
	}
}
