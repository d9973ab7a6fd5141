/*
 * gang.h: a few threads that share one piece of work after another. They live between gang_begin and gang_end, so
 * nothing of them is left when a job of the pool has returned.
 */
#ifndef TRAINING_GANG_H
#define TRAINING_GANG_H

#include <stdint.h>

typedef struct gang gang;
/** Does tasks `begin` to `end`; `worker` is below the number of threads. */
typedef void (*gang_work)(const void *context, uint32_t begin, uint32_t end, uint32_t worker);

/** NULL if a thread could not be started. */
gang *gang_begin(uint32_t threads);
void gang_end(gang *gang);
/** Each thread gets an equal range of the tasks. Returns when all are done. */
void gang_run(gang *gang, gang_work work, const void *context, uint32_t tasks);

#endif
