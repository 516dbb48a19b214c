// Package outbox keeps messages on disk until the broker has acknowledged them:
// a segment log of one writer, made for flash memory and power cuts.
package outbox
