// Package chat is the terminal interface of `enigma chat`: conversations with contacts, encrypted from end to end.
//
//	keys ───────────────┐
//	                    ▼
//	link ── events ──► model ──► View
//	  ▲                 │
//	  └──── posts ──────┘
//
// The model owns all state, contacts included, and nothing in it blocks; the program's one loop calls it. The link, on
// goroutines of its own, keeps the user connected, receives, posts in order and waits for outcomes; each thing that
// happens to it is a message to the model.
//
// A text that came is confirmed to the server, and its sender told, when it is shown: what nobody has looked at stays on
// the server and comes again at the next start. Nothing that was read or written is kept on disk, but for contacts and
// the ids of the last texts. A text that was written is the user's until the server has it: it is posted again, under
// the same id, after every failure of the connection.
//
// All that others wrote, names of contacts among it, passes [mail.Clean] before it becomes part of a View.
package chat
