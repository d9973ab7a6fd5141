/*
 * image_frames.h: TCP sockets that never wait, and AES-256-GCM, for the role image-frames. Functions give -errno where
 * something failed.
 */
#ifndef IMAGE_FRAMES_H
#define IMAGE_FRAMES_H

#include <stdint.h>

#define IMF_KEY 32
#define IMF_NONCE 12
#define IMF_TAG 16

/** A listening socket at a numeric address. */
int imf_listen(const char *address, uint16_t port);
/** The port that the system has chosen for 0. */
int imf_port(int socket);
/** The next connection; `address` gets whence it comes, as text. */
int imf_accept(int listener, char *address, uint32_t room);
/** A connection that may not be there yet: it can be written to when it is. */
int imf_connect(const char *address, uint16_t port);
/** 0 if the connection is there. */
int imf_connected(int socket);
/** How many bytes; 0 at the end. */
int64_t imf_read(int socket, void *bytes, uint64_t room);
int64_t imf_write(int socket, const void *bytes, uint64_t count);
/** Whether the error only says that one would have to wait. */
int imf_waits(int64_t result);
const char *imf_words(int64_t result);
void imf_close(int socket);

/** Nonce, sealed text and tag into `out`, which has room for 28 bytes more than the text. 1 if it could be done. */
int imf_seal(const uint8_t *key, const uint8_t *nonce, const uint8_t *text, uint64_t count, uint8_t *out);
/** 1 if what is in `sealed` was sealed with this key; `out` has room for 28 bytes less. */
int imf_open(const uint8_t *key, const uint8_t *sealed, uint64_t count, uint8_t *out);

#endif
