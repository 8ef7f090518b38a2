// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/breakout-operator/breakout-operator/internal/vonage"
)

var (
	// vendorRequests counts requests to the Vonage API.
	vendorRequests = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "breakout_operator_vonage_request_duration_seconds",
		Help: "Duration of requests to the Vonage Video API, without waiting for the rate limit, by account, " +
			"operation and class of outcome (Success or a class of error).",
		Buckets: []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
	}, []string{"account", "operation", "class"})

	// sessionResults counts attempts to get a session for a room.
	sessionResults = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "breakout_operator_sessions_total",
		Help: "Sessions created at Vonage by what became of them: Published in a room's status, Discarded because " +
			"another one was published or the room is gone, Ambiguous because no answer came.",
	}, []string{"result"})

	// vendorOutages shows whose calls are held back.
	vendorOutages = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "breakout_operator_vonage_outage",
		Help: "1 while the account's calls are held back because Vonage does not answer, else 0.",
	}, []string{"account"})

	// tokensMinted counts tokens.
	tokensMinted = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "breakout_operator_tokens_minted_total",
		Help: "Client tokens signed.",
	})
)

func init() {
	metrics.Registry.MustRegister(vendorRequests, vendorOutages, sessionResults, tokensMinted)
}

// observeOutage says whether calls of an account are held back.
func observeOutage(account string, lasts bool) {
	if lasts {
		vendorOutages.WithLabelValues(account).Set(1)
	} else {
		vendorOutages.WithLabelValues(account).Set(0)
	}
}

// observeVendor is account.Options.Observe.
func observeVendor(account, operation string, class vonage.Class, _ int, duration time.Duration) {
	if class == "" {
		class = "Success"
	}
	vendorRequests.WithLabelValues(account, operation, string(class)).Observe(duration.Seconds())
}
