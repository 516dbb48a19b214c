// Package mqttsn encodes and decodes the messages of MQTT-SN 1.2
// (Stanford-Clark and Truong, 2013), for clients and gateways alike.
//
//	message = Length MsgType fields
//	Length  = 1 octet (2 to 255), or 01 and 2 octets (up to 65535)
//
// Length counts the whole message, itself included. Numbers are big-endian.
package mqttsn
