/*
 * flotilla_mqtt.h: a client of an MQTT broker on a socket that its user watches, for the role flotilla. libmosquitto
 * does the protocol; none of its threads is started, and only flm_connect waits.
 */
#ifndef FLOTILLA_MQTT_H
#define FLOTILLA_MQTT_H

#include <stdint.h>

typedef struct flm_client flm_client;

/** What happened while a function below ran. `user` is that of flm_new. */
typedef struct flm_callbacks {
  /** The broker has answered to CONNECT: 0, or its reason for a refusal. */
  void (*answered)(void *user, int32_t reason);
  void (*message)(void *user, const char *topic, const uint8_t *bytes, uint64_t count);
} flm_callbacks;

/** NULL if there is no memory. `version` is 5 or 3; a message of more bytes is not sent by a broker that knows 5. */
flm_client *flm_new(const char *id, int32_t version, uint32_t message_bytes, flm_callbacks callbacks, void *user);
int32_t flm_login(flm_client *client, const char *user, const char *password);

/**
 * Resolves the name, connects and sends CONNECT, within about `timeout_ms`. It waits, so it is for a thread that may;
 * nobody else may use the client meanwhile. 0, or an error for flm_words.
 */
int32_t flm_connect(flm_client *client, const char *host, uint16_t port, int32_t keep_alive_s, int32_t timeout_ms);

/** Another descriptor of its socket, which stays when the library closes its own; the caller closes it. */
int32_t flm_descriptor(flm_client *client);
void flm_close(int32_t descriptor);
/** The address of this machine from which the broker is reached, as text; empty if it cannot be told. */
void flm_local_address(flm_client *client, char *address, uint32_t room);

/** When the socket is ready; anything but 0 says that the connection has ended. */
int32_t flm_read(flm_client *client);
int32_t flm_write(flm_client *client);
/** Every second or so: keeps the connection alive, and notices that it is not. */
int32_t flm_beat(flm_client *client);
int32_t flm_wants_write(flm_client *client);

int32_t flm_subscribe(flm_client *client, const char *topic, int32_t quality);
int32_t flm_publish(
    flm_client *client, const char *topic, const uint8_t *bytes, uint64_t count, int32_t quality, int32_t retained);

/** Says goodbye, as far as that goes without waiting, and forgets everything. */
void flm_free(flm_client *client);
const char *flm_words(int32_t error);
/** Of a broker's refusal. */
const char *flm_refusal(int32_t reason, int32_t version);

#endif
