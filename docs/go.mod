module github.com/vwrap/vwrap/docs

go 1.26.0
