/* Sockets, with addresses as plain bytes that Swift can copy and keep. */
#ifndef CSYSTEM_NETWORK_H
#define CSYSTEM_NETWORK_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* An IPv4 or IPv6 address with its port, as the system keeps it. */
typedef struct csystem_address {
  uint8_t bytes[28];
  uint32_t length;
} csystem_address;

/* Longest text of an address: brackets, an IPv6 address with its zone, and a port. */
#define CSYSTEM_ADDRESS_TEXT 80

/* The addresses of a host in the order in which they should be tried. May ask the network, and then
 * takes as long as that takes. How many, or a negative code for csystem_resolve_words. */
int csystem_resolve(const char *host, uint16_t port, int passive, csystem_address *list, int room);
const char *csystem_resolve_words(int code);
/* An address written in digits, without asking anybody. 0, or -1 if it is not one. */
int csystem_parse_address(const char *host, uint16_t port, csystem_address *address);

/* A listening socket. With `shared`, more than one may listen on the address, and the system deals the
 * connections out among them. The descriptor, or -1 with errno. */
int csystem_listen(const csystem_address *address, int backlog, int shared);
/* The next connection and who it is from. The descriptor, or -1 with errno. */
int csystem_accept_from(int listener, csystem_address *peer);
/* Begins to connect; the socket is writable when that has ended. The descriptor, or -1 with errno. */
int csystem_connect(const csystem_address *address);
/* As send and recv do, without SIGPIPE and without asking first whether the thread is to be cancelled, which costs two
 * atomic operations each and is never so. */
ssize_t csystem_send(int descriptor, const void *bytes, size_t count);
ssize_t csystem_receive(int descriptor, void *room, size_t count);
/* What went wrong on a socket since it was last asked: an errno, or 0. */
int csystem_socket_error(int descriptor);
/* Lets a socket be ready for more only when at most so many bytes of what it took are unsent: what is more urgent
 * can still go before the rest. */
void csystem_unsent_limit(int descriptor, int bytes);
/* Where a socket is bound. 0, or -1 with errno. */
int csystem_local_address(int descriptor, csystem_address *address);
uint16_t csystem_port(const csystem_address *address);
/* "10.0.0.7:51234" or "[::1]:80" into CSYSTEM_ADDRESS_TEXT bytes. Its length. */
int csystem_address_text(const csystem_address *address, char *text);

#endif
