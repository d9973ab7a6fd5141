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

/** A program that trains. All fields but these are the library's own. */
typedef struct trainer_child {
  int32_t process;
  int32_t messages;
  int32_t output;
  int32_t result;
} trainer_child;

#define TRAINER_MESSAGES 1
#define TRAINER_OUTPUT 2
#define TRAINER_QUIET 0
#define TRAINER_CLOSED -1

/**
 * Starts a program. `words` ends with NULL. What it finds:
 *   0  the task
 *   1  and 2, for what it prints
 *   3  the model, which cannot be changed
 *   4  room for the result, `room` bytes, which cannot grow; both are in memory and can be mapped
 *   5  for its messages
 * It is in a process group of its own, and dies with the thread that started it.
 * Returns 0, or an errno.
 */
int32_t trainer_start(const char *const _Nullable *_Nonnull words, const void *_Nonnull task, uint64_t task_size,
                      const void *_Nonnull model, uint64_t model_size, uint64_t room, trainer_child *_Nonnull child);

/** Waits until something comes, and reads it. Says which it is, and its length in `count`; TRAINER_CLOSED once nothing
 * more can come. */
int32_t trainer_read(trainer_child *_Nonnull child, void *_Nonnull start, uint64_t size, int32_t milliseconds,
                     uint64_t *_Nonnull count);

/** The first bytes of the result. How many there are. */
uint64_t trainer_result(const trainer_child *_Nonnull child, void *_Nonnull start, uint64_t size);

/** Kills it and all that it has started, if it still runs, and frees what belongs to it. Its exit code, or 128 and the
 * number of the signal that ended it. */
int32_t trainer_end(trainer_child *_Nonnull child);

#endif
