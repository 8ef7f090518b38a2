module github.com/breakout-operator/breakout-operator

go 1.26.0
