#define _GNU_SOURCE
#include "csystem_network.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

_Static_assert(sizeof(struct sockaddr_in6) <= sizeof(((csystem_address *)0)->bytes), "room for both families");

static const struct sockaddr *view(const csystem_address *address) { return (const void *)address->bytes; }

static void take(csystem_address *address, const struct sockaddr_storage *from, socklen_t length) {
  memset(address, 0, sizeof *address);
  address->length = length < sizeof address->bytes ? length : sizeof address->bytes;
  memcpy(address->bytes, from, address->length);
}

int csystem_resolve(const char *host, uint16_t port, int passive, csystem_address *list, int room) {
  char service[8];
  snprintf(service, sizeof service, "%u", (unsigned)port);
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV | (passive ? AI_PASSIVE : 0)};
  struct addrinfo *found = NULL;
  int status = getaddrinfo(host, service, &hints, &found);
  if (status != 0) return status < 0 ? status : -status;
  int count = 0;
  for (struct addrinfo *one = found; one != NULL && count < room; one = one->ai_next) {
    if (one->ai_family != AF_INET && one->ai_family != AF_INET6) continue;
    struct sockaddr_storage storage = {0};
    memcpy(&storage, one->ai_addr, one->ai_addrlen);
    take(&list[count++], &storage, one->ai_addrlen);
  }
  freeaddrinfo(found);
  return count > 0 ? count : EAI_NONAME;
}

int csystem_parse_address(const char *host, uint16_t port, csystem_address *address) {
  struct sockaddr_storage storage = {0};
  struct sockaddr_in *four = (void *)&storage;
  if (inet_pton(AF_INET, host, &four->sin_addr) == 1) {
    four->sin_family = AF_INET;
    four->sin_port = htons(port);
    take(address, &storage, sizeof *four);
    return 0;
  }
  struct sockaddr_in6 *six = (void *)&storage;
  if (inet_pton(AF_INET6, host, &six->sin6_addr) != 1) return -1;
  six->sin6_family = AF_INET6;
  six->sin6_port = htons(port);
  take(address, &storage, sizeof *six);
  return 0;
}

const char *csystem_resolve_words(int code) { return gai_strerror(code); }

static int opened(int family) { return socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0); }

static int given_up(int descriptor) {
  int reason = errno;
  close(descriptor);
  errno = reason;
  return -1;
}

int csystem_listen(const csystem_address *address, int backlog, int shared) {
  const int on = 1;
  int listener = opened(view(address)->sa_family);
  if (listener < 0) return -1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (shared && setsockopt(listener, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0) return given_up(listener);
  if (bind(listener, view(address), address->length) != 0) return given_up(listener);
  if (listen(listener, backlog) != 0) return given_up(listener);
  return listener;
}

static int is_this_machine(const csystem_address *address) {
  if (view(address)->sa_family == AF_INET)
    return ntohl(((const struct sockaddr_in *)view(address))->sin_addr.s_addr) >> 24 == 127;
  if (view(address)->sa_family != AF_INET6) return 0;
  const struct in6_addr *six = &((const struct sockaddr_in6 *)view(address))->sin6_addr;
  return IN6_IS_ADDR_LOOPBACK(six) || (IN6_IS_ADDR_V4MAPPED(six) && six->s6_addr[12] == 127);
}

static void send_soon(int descriptor, const csystem_address *peer) {
  const int on = 1;
  setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  /* Between two programs of a machine there is no network to share. Where the system's choice is BBR, it would set a
   * timer for each packet. */
  if (is_this_machine(peer)) {
    setsockopt(descriptor, IPPROTO_TCP, TCP_CONGESTION, "reno", 4);
    return;
  }
  /* A machine that is gone without a word is asked from time to time, also where nobody has anything to say. */
  const int idle_s = 60, between_s = 15, count = 4;
  setsockopt(descriptor, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  setsockopt(descriptor, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
  setsockopt(descriptor, IPPROTO_TCP, TCP_KEEPINTVL, &between_s, sizeof between_s);
  setsockopt(descriptor, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
}

int csystem_accept_from(int listener, csystem_address *peer) {
  struct sockaddr_storage from;
  socklen_t length = sizeof from;
  int descriptor = accept4(listener, (struct sockaddr *)&from, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (descriptor < 0) return -1;
  take(peer, &from, length);
  send_soon(descriptor, peer);
  return descriptor;
}

int csystem_connect(const csystem_address *address) {
  int descriptor = opened(view(address)->sa_family);
  if (descriptor < 0) return -1;
  send_soon(descriptor, address);
  if (connect(descriptor, view(address), address->length) != 0 && errno != EINPROGRESS) return given_up(descriptor);
  return descriptor;
}

ssize_t csystem_send(int descriptor, const void *bytes, size_t count) {
  return syscall(SYS_sendto, descriptor, bytes, count, MSG_NOSIGNAL, NULL, 0);
}

ssize_t csystem_receive(int descriptor, void *room, size_t count) {
  return syscall(SYS_recvfrom, descriptor, room, count, 0, NULL, NULL);
}

int csystem_socket_error(int descriptor) {
  int error = 0;
  socklen_t length = sizeof error;
  return getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &length) == 0 ? error : errno;
}

void csystem_unsent_limit(int descriptor, int bytes) {
  setsockopt(descriptor, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &bytes, sizeof bytes);
}

int csystem_local_address(int descriptor, csystem_address *address) {
  struct sockaddr_storage bound;
  socklen_t length = sizeof bound;
  if (getsockname(descriptor, (struct sockaddr *)&bound, &length) != 0) return -1;
  take(address, &bound, length);
  return 0;
}

uint16_t csystem_port(const csystem_address *address) {
  if (view(address)->sa_family == AF_INET) return ntohs(((const struct sockaddr_in *)view(address))->sin_port);
  return ntohs(((const struct sockaddr_in6 *)view(address))->sin6_port);
}

int csystem_address_text(const csystem_address *address, char *text) {
  char host[NI_MAXHOST];
  const int is_six = view(address)->sa_family == AF_INET6;
  if (getnameinfo(view(address), address->length, host, sizeof host, NULL, 0, NI_NUMERICHOST) != 0) return 0;
  const char *form = is_six ? "[%s]:%u" : "%s:%u";
  int length = snprintf(text, CSYSTEM_ADDRESS_TEXT, form, host, (unsigned)csystem_port(address));
  return length < CSYSTEM_ADDRESS_TEXT ? length : CSYSTEM_ADDRESS_TEXT - 1;
}
