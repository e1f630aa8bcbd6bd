module lifecycle

go 1.24
