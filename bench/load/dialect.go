package load

// Dialect is how users speak to one kind of server, all of it over WebSocket. One value serves one worker, so that it
// may keep scratch space; what belongs to a connection is in [Conn.State].
type Dialect interface {
	// Name is how reports call it.
	Name() string
	// Login returns the path of a GET request that makes the user known, empty if the server needs none.
	Login(u *User) string
	// LoggedIn checks the answer to Login.
	LoggedIn(u *User, body []byte) error
	// Upgrade returns the path of the WebSocket and the subprotocol to offer, empty for none.
	Upgrade(u *User) (path, subprotocol string)
	// Greet says what comes first on the WebSocket, up to the point where the server will say that it has the user.
	Greet(c *Conn)
	// Send writes a message. id is the flow and the sequence number in it, unique per sender and recipient.
	Send(c *Conn, to *User, id MessageID, payload []byte)
	// Receive takes the content of one data frame and tells events of what is in it.
	Receive(c *Conn, frame []byte, events Events) error
	// Pong takes the answer to a Ping of Greet.
	Pong(c *Conn, events Events)
	// Confirm writes what the recipient owes for the messages of this turn. It is called once per turn and connection.
	Confirm(c *Conn)
}

// MessageID names a message of a run.
type MessageID struct {
	Flow uint32 // sender and recipient
	Seq  uint64 // from 1
}

// Message is what a recipient gets. From and To are empty if the dialect does not tell.
type Message struct {
	From, To, Payload []byte
}

// Events is what a dialect reports to. Its slices are valid during the call.
type Events interface {
	// Ready says that the server has the user: what is sent to it from now on is delivered.
	Ready(c *Conn)
	// Message is a message that has come.
	Message(c *Conn, m *Message)
	// Acked says that the server has taken a message over.
	Acked(c *Conn, id MessageID)
	// Refused says that the server has not delivered a message: why, and to whom, if it said so.
	Refused(c *Conn, code string, to []byte)
	// Drained says that all stored messages have come.
	Drained(c *Conn)
}

// User is somebody who logs in and connects.
type User struct {
	Index int    // in its worker
	Key   string // public key
	ID    string // user id, or what else the dialect addresses

	conn  *Conn // nil while not connected
	known bool  // has logged in
	out   *flow // what the user sends, where that is one flow
}

// State is what a dialect keeps per connection.
type State struct {
	Seen, Confirmed uint64 // recipient: the highest sequence number received, and confirmed
	Pending         []byte // stream dialects: the beginning of a message that has not come as a whole
	Extra           any    // whatever else
}
