package devices

// Adjust makes a Device take over what can change while it runs: Limits, ConsoleLog,
// ConsoleTopic and ShowPayloads of cfg. Its port, its boards and their messages do not
// notice. It never waits, and may be called at any time by anybody.
func (d *Device) Adjust(cfg Config) {
	d.adjusted.Store(&cfg)
	select {
	case d.events <- event{kind: adjustWanted}:
	default: // then the loop turns anyway, and looks at every turn
	}
}

// adjust is Adjust, in the loop.
func (d *Device) adjust() {
	if d.adjusted.Load() == nil { // as nearly always
		return
	}
	cfg := d.adjusted.Swap(nil)
	d.cfg.ConsoleLog, d.cfg.ConsoleTopic, d.cfg.ShowPayloads = cfg.ConsoleLog, cfg.ConsoleTopic, cfg.ShowPayloads
	if d.cfg.Limits != cfg.Limits {
		d.cfg.Limits = cfg.Limits
		d.gw.SetLimits(cfg.Limits)
	}
	if !cfg.ShowPayloads {
		d.seen.forgetPayloads()
	}
}
