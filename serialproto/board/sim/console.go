package sim

import (
	"strconv"
	"time"
)

// Console says what the board prints on the line that its frames share.
type Console struct {
	// Banner is printed before the first frame. Zero: nothing. See BootBanner.
	Banner string

	// Interval is the time between two printed lines. Zero: none are printed.
	Interval time.Duration
}

// BootBanner is what an ESP32 says after a reset, and MicroPython after it.
const BootBanner = "ets Jul 29 2019 12:21:46\r\n\r\n" +
	"rst:0x1 (POWERON_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)\r\n" +
	"configsip: 0, SPIWP:0xee\r\n" +
	"mode:DIO, clock div:2\r\n" +
	"entry 0x400805c4\r\n" +
	"MicroPython v1.25.0; Generic ESP32 module with ESP32\r\n"

// console decides what is printed when.
type console struct {
	Console
	began time.Time
	at    time.Time // the next line; zero before the start
	lines int
}

func newConsole(c Console) console { return console{Console: c} }

// start is the moment of power-on.
func (c *console) start(now time.Time) {
	c.began = now
	if c.Interval > 0 {
		c.at = now.Add(c.Interval)
	}
}

// text returns what is to be printed now, or nothing.
func (c *console) text(now time.Time) string {
	if c.Banner != "" {
		banner := c.Banner
		c.Banner = ""
		return banner
	}
	if c.at.IsZero() || now.Before(c.at) {
		return ""
	}
	c.at = now.Add(c.Interval)
	c.lines++
	return "I (" + strconv.FormatInt(now.Sub(c.began).Milliseconds(), 10) + ") app: still here, line " + strconv.Itoa(c.lines) + "\r\n"
}
