/*
 * pictures.h: picture files as numbers, and which files a folder has.
 *
 * libvips reads the pictures. It is loaded when the first one is asked for; programs that read none do without it. Any
 * function may be called on any thread, and takes as long as it takes.
 */
#ifndef PICTURES_H
#define PICTURES_H

#include <stdint.h>

#define PICTURES_ERROR_SIZE 256

/** Why something did not succeed. */
typedef struct pictures_error {
  char text[PICTURES_ERROR_SIZE];
} pictures_error;

/** Reads a JPEG, PNG, GIF or WebP, whose bytes these are, into `room`: `channels` planes (1: grey, 3: red, green and
 * blue) of `height` rows of `width` bytes. A picture of another size is scaled, and what stands out on two sides is cut
 * off; what shines through is black. 0 if all is well. */
int32_t pictures_read(const void *_Nonnull start, uint64_t count, uint32_t width, uint32_t height, uint32_t channels,
                      uint8_t *_Nonnull room, pictures_error *_Nonnull error);

/** Calls `each` for what is in a folder, in any order, but not for hidden files. 0 if all is well. */
int32_t pictures_list(const char *_Nonnull path, void *_Nullable context,
                      void (*_Nonnull each)(void *_Nullable context, const char *_Nonnull name, int32_t is_folder),
                      pictures_error *_Nonnull error);

#endif
