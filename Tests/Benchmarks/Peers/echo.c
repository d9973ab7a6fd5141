/* TCP echo: what peers are measured against. No roles, no other thread; length-prefixed messages on an edge-triggered
 * epoll loop, each turn's output in one write. Plain, or with the same TLS as links: what is left of the plain one's
 * speed then is the most that a link could have.
 *
 *   echo server plain|tls  prints its port, echoes until the other side goes
 *   echo client plain|tls PORT COUNT WINDOW SIZE     prints the nanoseconds that COUNT round trips took
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { ROOM = 1 << 20, RECORD = 16 << 10, READ = 64 << 10, WAIT_MS = 1000 };

typedef struct connection {
  int fd, poller;
  SSL *tls;
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

/* As read() and send() answer, also through TLS. */
static ssize_t answered(connection *c, int n) {
  if (n > 0) return n;
  int error = SSL_get_error(c->tls, n);
  errno = error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? EAGAIN : EIO;
  return errno == EAGAIN ? -1 : 0;
}

static ssize_t take_in(connection *c, uint8_t *room) {
  return c->tls ? answered(c, SSL_read(c->tls, room, READ)) : read(c->fd, room, READ);
}

static ssize_t put_out(connection *c, const uint8_t *bytes, size_t count) {
  if (!c->tls) return send(c->fd, bytes, count, MSG_NOSIGNAL);
  return answered(c, SSL_write(c->tls, bytes, count < RECORD ? (int)count : RECORD));
}

static void flush(connection *c) {
  while (c->sent < c->out) {
    ssize_t n = put_out(c, c->output + c->sent, c->out - c->sent);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) exit(0);
    c->sent += (size_t)n;
  }
  c->sent = c->out = 0;
}

/* One turn: waits, reads all there is, hands each message on, and writes what that made. */
static void turn(connection *c, void (*take)(connection *, const uint8_t *, uint32_t)) {
  struct epoll_event event;
  /* The handshake may have read what came behind it. */
  if (!c->tls || !SSL_has_pending(c->tls)) epoll_wait(c->poller, &event, 1, -1);
  for (;;) {
    ssize_t n = take_in(c, c->input + c->in);
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

static unsigned shared_key(unsigned char *key) {
  memset(key, 7, 32);
  return 32;
}

static unsigned client_key(SSL *tls, const char *hint, char *id, unsigned most, unsigned char *key, unsigned room) {
  (void)tls, (void)hint, (void)room;
  snprintf(id, most, "echo");
  return shared_key(key);
}

static unsigned server_key(SSL *tls, const char *id, unsigned char *key, unsigned room) {
  (void)tls, (void)id, (void)room;
  return shared_key(key);
}

/* As links do it: a shared key, TLS 1.3, AES-128-GCM, and reading ahead. */
static void secure(connection *c, int is_server) {
  SSL_CTX *context = SSL_CTX_new(TLS_method());
  SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
  SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256");
  SSL_CTX_set_psk_client_callback(context, client_key);
  SSL_CTX_set_psk_server_callback(context, server_key);
  SSL_CTX_set_num_tickets(context, 0);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_read_ahead(context, 1);
  SSL_CTX_set_default_read_buffer_len(context, READ);
  c->tls = SSL_new(context);
  SSL_set_fd(c->tls, c->fd);
  if (is_server) SSL_set_accept_state(c->tls); else SSL_set_connect_state(c->tls);
  int done;
  while ((done = SSL_do_handshake(c->tls)) != 1) {
    struct epoll_event event;
    if (answered(c, done) == 0 || epoll_wait(c->poller, &event, 1, WAIT_MS) != 1) die("handshake");
  }
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

static void serve(int is_secure) {
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof at;
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  if (bind(listener, (void *)&at, sizeof at) || listen(listener, 1)) die("listen");
  getsockname(listener, (void *)&at, &length);
  printf("%d\n", ntohs(at.sin_port));
  fflush(stdout);
  connection *c = made(accept4(listener, NULL, NULL, SOCK_NONBLOCK));
  if (is_secure) secure(c, 1);
  for (;;) turn(c, echo);
}

int main(int argc, char **argv) {
  if (argc != 3 && argc != 7) return 2;
  int is_secure = strcmp(argv[2], "tls") == 0;
  if (argc == 3) serve(is_secure);
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                           .sin_port = htons((uint16_t)atoi(argv[3]))};
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  if (connect(fd, (void *)&at, sizeof at)) die("connect");
  fcntl(fd, F_SETFL, O_NONBLOCK);
  int64_t window = atoll(argv[5]);
  uint32_t size = (uint32_t)atoi(argv[6]);
  static uint8_t message[65536];
  to_send = to_come = atoll(argv[4]);
  connection *c = made(fd);
  if (is_secure) secure(c, 0);
  struct timespec a, b;
  clock_gettime(CLOCK_MONOTONIC, &a);
  for (int64_t i = 0; i < window && to_send > 0; i++, to_send--) append(c, message, size);
  flush(c);
  while (to_come > 0) turn(c, again);
  clock_gettime(CLOCK_MONOTONIC, &b);
  printf("%lld\n", (long long)((b.tv_sec - a.tv_sec) * 1000000000LL + (b.tv_nsec - a.tv_nsec)));
  return 0;
}
