package proc

// hasSocket cannot be told here.
func hasSocket(int, uint64) bool { return false }
