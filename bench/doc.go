// Package bench holds the measurements that take more than one package: the broker alone with connections in memory,
// the whole server over sockets, and the memory of very many users. README.md has the method and the results; load is
// the generator behind `enigma load`, floor the relay that everything is compared with, peers the runs beside other
// brokers. And embedded is a program that has the broker in it without the server.
package bench
