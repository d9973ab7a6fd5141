/* Plain TCP echo: what peers are measured against. No TLS, no roles, no other thread; length-prefixed messages on an
 * edge-triggered epoll loop, each turn's output in one write.
 *
 *   echo server            prints its port, echoes until it is killed
 *   echo client PORT COUNT WINDOW SIZE     prints the nanoseconds that COUNT round trips took
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { ROOM = 1 << 20 };

typedef struct connection {
  int fd, poller;
  size_t in, out, sent;
  uint8_t input[ROOM], output[8 * ROOM];
} connection;

static void die(const char *what) {
  perror(what);
  exit(1);
}

static void append(connection *c, const uint8_t *message, uint32_t size) {
  if (c->out + size + 4 > sizeof c->output) die("the window is too large");
  memcpy(c->output + c->out, &size, 4);
  memcpy(c->output + c->out + 4, message, size);
  c->out += size + 4;
}

static void flush(connection *c) {
  while (c->sent < c->out) {
    ssize_t n = send(c->fd, c->output + c->sent, c->out - c->sent, MSG_NOSIGNAL);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) exit(0);
    c->sent += (size_t)n;
  }
  c->sent = c->out = 0;
}

/* One turn: waits, reads all there is, hands each message on, and writes what that made. */
static void turn(connection *c, void (*take)(connection *, const uint8_t *, uint32_t)) {
  struct epoll_event event;
  epoll_wait(c->poller, &event, 1, -1);
  for (;;) {
    ssize_t n = read(c->fd, c->input + c->in, 65536);
    if (n == 0) exit(0);
    if (n < 0 && errno == EAGAIN) break;
    if (n < 0) die("read");
    c->in += (size_t)n;
    size_t place = 0;
    uint32_t size;
    while (c->in - place >= 4 && (memcpy(&size, c->input + place, 4), c->in - place >= 4 + (size_t)size)) {
      take(c, c->input + place + 4, size);
      place += 4 + size;
    }
    memmove(c->input, c->input + place, c->in - place);
    c->in -= place;
  }
  flush(c);
}

static connection *made(int fd) {
  connection *c = calloc(1, sizeof *c);
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  c->fd = fd;
  c->poller = epoll_create1(0);
  struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET};
  epoll_ctl(c->poller, EPOLL_CTL_ADD, fd, &event);
  return c;
}

static void echo(connection *c, const uint8_t *message, uint32_t size) { append(c, message, size); }

static int64_t to_send, to_come;

static void again(connection *c, const uint8_t *message, uint32_t size) {
  if (to_send > 0) {
    to_send--;
    append(c, message, size);
  }
  to_come--;
}

static void serve(void) {
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof at;
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  if (bind(listener, (void *)&at, sizeof at) || listen(listener, 1)) die("listen");
  getsockname(listener, (void *)&at, &length);
  printf("%d\n", ntohs(at.sin_port));
  fflush(stdout);
  connection *c = made(accept4(listener, NULL, NULL, SOCK_NONBLOCK));
  for (;;) turn(c, echo);
}

int main(int argc, char **argv) {
  if (argc < 6) serve();
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                           .sin_port = htons((uint16_t)atoi(argv[2]))};
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  if (connect(fd, (void *)&at, sizeof at)) die("connect");
  fcntl(fd, F_SETFL, O_NONBLOCK);
  int64_t window = atoll(argv[4]);
  uint32_t size = (uint32_t)atoi(argv[5]);
  static uint8_t message[65536];
  to_send = to_come = atoll(argv[3]);
  connection *c = made(fd);
  struct timespec a, b;
  clock_gettime(CLOCK_MONOTONIC, &a);
  for (int64_t i = 0; i < window && to_send > 0; i++, to_send--) append(c, message, size);
  flush(c);
  while (to_come > 0) turn(c, again);
  clock_gettime(CLOCK_MONOTONIC, &b);
  printf("%lld\n", (long long)((b.tv_sec - a.tv_sec) * 1000000000LL + (b.tv_nsec - a.tv_nsec)));
  return 0;
}
