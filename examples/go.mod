module github.com/vwrap/vwrap/examples

go 1.26.0
