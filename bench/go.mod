module github.com/vwrap/vwrap/bench

go 1.26.0
