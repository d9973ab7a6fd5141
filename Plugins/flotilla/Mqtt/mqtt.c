#define _GNU_SOURCE
#include "flotilla_mqtt.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <mosquitto.h>
#include <mqtt_protocol.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct flm_client {
  struct mosquitto *mosquitto;
  flm_callbacks callbacks;
  void *user;
  int32_t version;
  uint32_t message_bytes;
};

/* Errors of getaddrinfo and of the system are told apart from the library's own by where they begin. */
enum { RESOLVER = 1000, SYSTEM = 2000 };

static void begin(void) { mosquitto_lib_init(); }

static void answered(struct mosquitto *mosquitto, void *user, int reason, int flags, const mosquitto_property *more) {
  (void)mosquitto, (void)flags, (void)more;
  flm_client *client = user;
  client->callbacks.answered(client->user, reason);
}

static void came(struct mosquitto *mosquitto, void *user, const struct mosquitto_message *message) {
  (void)mosquitto;
  flm_client *client = user;
  client->callbacks.message(client->user, message->topic, message->payload, (uint64_t)message->payloadlen);
}

flm_client *flm_new(const char *id, int32_t version, uint32_t message_bytes, flm_callbacks callbacks, void *user) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, begin);
  flm_client *client = calloc(1, sizeof *client);
  if (!client) return NULL;
  *client = (flm_client){.callbacks = callbacks, .user = user, .version = version, .message_bytes = message_bytes};
  client->mosquitto = mosquitto_new(id, 1, client);
  if (!client->mosquitto) {
    free(client);
    return NULL;
  }
  int protocol = version == 5 ? MQTT_PROTOCOL_V5 : MQTT_PROTOCOL_V311;
  mosquitto_int_option(client->mosquitto, MOSQ_OPT_PROTOCOL_VERSION, protocol);
  mosquitto_int_option(client->mosquitto, MOSQ_OPT_TCP_NODELAY, 1);
  mosquitto_connect_v5_callback_set(client->mosquitto, answered);
  mosquitto_message_callback_set(client->mosquitto, came);
  return client;
}

int32_t flm_login(flm_client *client, const char *user, const char *password) {
  return mosquitto_username_pw_set(client->mosquitto, user, password);
}

/* 0 if a connection to the place can be had in time. */
static int reachable(const struct addrinfo *place, int timeout_ms) {
  int socket_ = socket(place->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), code = 0;
  socklen_t size = sizeof code;
  if (socket_ < 0) return errno;
  if (connect(socket_, place->ai_addr, place->ai_addrlen) != 0) {
    code = errno;
    struct pollfd wait = {.fd = socket_, .events = POLLOUT};
    if (code == EINPROGRESS) {
      code = ETIMEDOUT;
      if (poll(&wait, 1, timeout_ms) == 1) getsockopt(socket_, SOL_SOCKET, SO_ERROR, &code, &size);
    }
  }
  close(socket_);
  return code;
}

/* The first address of the host that answers. The library would wait for minutes for one that does not. */
static int32_t find(const char *host, uint16_t port, int timeout_ms, char *address, socklen_t room) {
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG | AI_NUMERICSERV}, *places = NULL;
  char service[8];
  snprintf(service, sizeof service, "%u", (unsigned)port);
  int code = getaddrinfo(host, service, &hints, &places);
  if (code != 0) {
    // A numeric address is good even where no interface but the loopback one is up.
    hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
    if (getaddrinfo(host, service, &hints, &places) == 0) code = 0;
  }
  if (code != 0) return RESOLVER - code;
  code = EHOSTUNREACH;
  for (const struct addrinfo *place = places; place; place = place->ai_next) {
    code = reachable(place, timeout_ms);
    if (code == 0) {
      if (getnameinfo(place->ai_addr, place->ai_addrlen, address, room, NULL, 0, NI_NUMERICHOST) != 0) code = EINVAL;
      break;
    }
  }
  freeaddrinfo(places);
  return code == 0 ? 0 : SYSTEM + code;
}

int32_t flm_connect(flm_client *client, const char *host, uint16_t port, int32_t keep_alive_s, int32_t timeout_ms) {
  char address[NI_MAXHOST];
  int32_t code = find(host, port, timeout_ms, address, sizeof address);
  if (code != 0) return code;
  mosquitto_property *properties = NULL;
  if (client->version == 5)
    mosquitto_property_add_int32(&properties, MQTT_PROP_MAXIMUM_PACKET_SIZE, client->message_bytes);
  code = mosquitto_connect_bind_v5(client->mosquitto, address, port, keep_alive_s, NULL, properties);
  if (code == MOSQ_ERR_ERRNO) code = SYSTEM + errno;
  mosquitto_property_free_all(&properties);
  return code;
}

int32_t flm_descriptor(flm_client *client) {
  int socket_ = mosquitto_socket(client->mosquitto);
  return socket_ < 0 ? -1 : fcntl(socket_, F_DUPFD_CLOEXEC, 0);
}

void flm_close(int32_t descriptor) { close(descriptor); }

void flm_local_address(flm_client *client, char *address, uint32_t room) {
  struct sockaddr_storage place;
  socklen_t size = sizeof place;
  address[0] = 0;
  int socket_ = mosquitto_socket(client->mosquitto);
  if (socket_ < 0 || getsockname(socket_, (struct sockaddr *)&place, &size) != 0) return;
  if (getnameinfo((struct sockaddr *)&place, size, address, room, NULL, 0, NI_NUMERICHOST) != 0) address[0] = 0;
}

int32_t flm_read(flm_client *client) { return mosquitto_loop_read(client->mosquitto, 1); }
int32_t flm_write(flm_client *client) { return mosquitto_loop_write(client->mosquitto, 1); }
int32_t flm_beat(flm_client *client) { return mosquitto_loop_misc(client->mosquitto); }
int32_t flm_wants_write(flm_client *client) { return mosquitto_want_write(client->mosquitto); }

int32_t flm_subscribe(flm_client *client, const char *topic, int32_t quality) {
  return mosquitto_subscribe(client->mosquitto, NULL, topic, quality);
}

int32_t flm_publish(
    flm_client *client, const char *topic, const uint8_t *bytes, uint64_t count, int32_t quality, int32_t retained) {
  if (count > MQTT_MAX_PAYLOAD) return MOSQ_ERR_PAYLOAD_SIZE;
  return mosquitto_publish(client->mosquitto, NULL, topic, (int)count, bytes, quality, retained != 0);
}

void flm_free(flm_client *client) {
  mosquitto_disconnect(client->mosquitto);
  mosquitto_destroy(client->mosquitto);
  free(client);
}

const char *flm_words(int32_t error) {
  if (error >= SYSTEM) return strerror(error - SYSTEM);
  // The resolver's errors are below 0.
  if (error >= RESOLVER) return gai_strerror(RESOLVER - error);
  return mosquitto_strerror(error);
}

const char *flm_refusal(int32_t reason, int32_t version) {
  return version == 5 ? mosquitto_reason_string(reason) : mosquitto_connack_string(reason);
}
