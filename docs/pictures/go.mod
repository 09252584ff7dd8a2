module github.com/vwrap/vwrap/docs/pictures

go 1.26.0
