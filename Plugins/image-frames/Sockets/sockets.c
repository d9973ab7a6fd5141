#define _GNU_SOURCE
#include "image_frames.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 64 };

typedef struct place {
  struct sockaddr_storage bytes;
  socklen_t size;
} place;

static int parse(const char *address, uint16_t port, place *out) {
  struct sockaddr_in *four = (struct sockaddr_in *)&out->bytes;
  struct sockaddr_in6 *six = (struct sockaddr_in6 *)&out->bytes;
  memset(out, 0, sizeof *out);
  if (inet_pton(AF_INET, address, &four->sin_addr) == 1) {
    four->sin_family = AF_INET;
    four->sin_port = htons(port);
    out->size = sizeof *four;
    return 0;
  }
  if (inet_pton(AF_INET6, address, &six->sin6_addr) != 1) return -EINVAL;
  six->sin6_family = AF_INET6;
  six->sin6_port = htons(port);
  out->size = sizeof *six;
  return 0;
}

static int opened(const place *where) {
  int socket_ = socket(where->bytes.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  return socket_ < 0 ? -errno : socket_;
}

int imf_listen(const char *address, uint16_t port) {
  place where;
  int on = 1, status = parse(address, port, &where);
  if (status < 0) return status;
  int listener = opened(&where);
  if (listener < 0) return listener;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  status = bind(listener, (struct sockaddr *)&where.bytes, where.size);
  if (status == 0) status = listen(listener, BACKLOG);
  if (status == 0) return listener;
  status = -errno;
  close(listener);
  return status;
}

int imf_port(int socket) {
  place where = {.size = sizeof where.bytes};
  if (getsockname(socket, (struct sockaddr *)&where.bytes, &where.size) != 0) return -errno;
  return ntohs(where.bytes.ss_family == AF_INET ? ((struct sockaddr_in *)&where.bytes)->sin_port
                                                : ((struct sockaddr_in6 *)&where.bytes)->sin6_port);
}

int imf_accept(int listener, char *address, uint32_t room) {
  place where = {.size = sizeof where.bytes};
  int on = 1;
  int connection = accept4(listener, (struct sockaddr *)&where.bytes, &where.size, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (connection < 0) return -errno;
  setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  const void *bytes = where.bytes.ss_family == AF_INET ? (void *)&((struct sockaddr_in *)&where.bytes)->sin_addr
                                                       : (void *)&((struct sockaddr_in6 *)&where.bytes)->sin6_addr;
  if (!inet_ntop(where.bytes.ss_family, bytes, address, room)) address[0] = 0;
  return connection;
}

int imf_connect(const char *address, uint16_t port) {
  place where;
  int status = parse(address, port, &where);
  if (status < 0) return status;
  int connection = opened(&where);
  if (connection < 0) return connection;
  if (connect(connection, (struct sockaddr *)&where.bytes, where.size) == 0 || errno == EINPROGRESS) return connection;
  status = -errno;
  close(connection);
  return status;
}

int imf_connected(int socket) {
  int code = 0;
  socklen_t size = sizeof code;
  return getsockopt(socket, SOL_SOCKET, SO_ERROR, &code, &size) == 0 ? -code : -errno;
}

int64_t imf_read(int socket, void *bytes, uint64_t room) {
  ssize_t count = recv(socket, bytes, room, 0);
  return count < 0 ? -errno : count;
}

int64_t imf_write(int socket, const void *bytes, uint64_t count) {
  ssize_t gone = send(socket, bytes, count, MSG_NOSIGNAL);
  return gone < 0 ? -errno : gone;
}

int imf_waits(int64_t result) { return result == -EAGAIN || result == -EWOULDBLOCK || result == -EINTR; }

const char *imf_words(int64_t result) { return strerror((int)-result); }

void imf_close(int socket) { close(socket); }
