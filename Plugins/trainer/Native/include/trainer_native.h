/*
 * trainer_native.h: what the role `trainer` needs of the system.
 *
 * Every function takes as long as it takes, and may be called on any thread: call it on the pool.
 */
#ifndef TRAINER_NATIVE_H
#define TRAINER_NATIVE_H

#include <stdint.h>

/** SHA-256, 32 bytes. 0 if all is well. */
int32_t trainer_sha256(const void *_Nonnull start, uint64_t count, uint8_t *_Nonnull digest);

#endif
