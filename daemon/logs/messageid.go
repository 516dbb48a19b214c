package logs

// messageIDs are the journal's MESSAGE_ID of what happens in the life of a gateway and of its devices, by the record's message, so that a program
// can wait for it whatever its wording will be one day:
//
//	journalctl -u umqttd MESSAGE_ID=52fef171575b4e87a206ed5a9a7f8a15
//
// An id is never given to anything else. Whoever rewords a message takes its id along; a test finds each of them in the code, and in
// docs/configuration.md.
var messageIDs = map[string]string{
	"ready":                  "d964d291e9e241f98ea30b3bbc0e8879",
	"stopping":               "71fdcf8e55ad4356a5e9efda8644218d",
	"configuration reloaded": "1547fc00d9474635990e69662a49e7d9",
	"configuration not taken, the old one stays in force":   "4e33b16ec77e4d038311692001744620",
	"device failed and is started anew; please report this": "8fa7306dfb35432c8f9498618fd2e566",
	"port open":                         "4f77f17082044635b11d69f15ff302ca",
	"port is not there, waiting for it": "52fef171575b4e87a206ed5a9a7f8a15",
	"port cannot be opened, trying on":  "da622d7a0fad43398a0fba036a9d44e0",
	"board connected":                   "b2117197b45b469881ed0e9cc0d4e5f5",
	"board disconnected":                "3c1d57e3bd314b3e8d97bef0c545bd73",
	"broker connected":                  "9ee08e1d71504b849de2aebdb3723a79",
	"broker session changed":            "7aacf926d3054005836a3aa36735426c",
	"outbox open":                       "95ad50a141ba40f9a1eb29a3b1ea2cba",
	"outbox cannot be used, the port stays closed; trying on":                  "c3ae53c4325346b4aadeca040b672972",
	"message put aside, the broker does not take it; `umqttd outbox` lists it": "612c4d33e1c2436ab02e2f6aebd9dcb5",
}
