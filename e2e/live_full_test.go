//go:build full

package e2e

func init() {
	liveRotations, liveReads = 500, 100_000
	overlapRotations = 100
	memoryRotations = 200
}
