/* Runs a generated program in a process of its own: every buffer is a block of exactly its size, so that a sanitizer or
 * valgrind sees an access beside it.
 *
 *     driver INPUT OUTPUT
 *
 * INPUT: the counts of buffers, sizes and threads; the sizes; for each buffer its bytes, whether it has contents (1) or
 * is a result (0), and the contents. OUTPUT: the results, one after another. Numbers are int64.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int32_t go_run(void *const *buffers, const int64_t *sizes, int32_t threads);

static void take(FILE *file, void *to, size_t bytes) {
    if (bytes != 0 && fread(to, 1, bytes, file) != bytes) exit(3);
}

int main(int count, char **arguments) {
    if (count != 3) return 2;
    FILE *const input = fopen(arguments[1], "rb"), *const output = fopen(arguments[2], "wb");
    if (input == NULL || output == NULL) return 3;
    int64_t head[3];
    take(input, head, sizeof head);
    int64_t *const sizes = malloc((size_t)head[1] * sizeof *sizes);
    int64_t(*const facts)[2] = malloc((size_t)head[0] * sizeof *facts);
    void **const buffers = malloc((size_t)head[0] * sizeof *buffers);
    take(input, sizes, (size_t)head[1] * sizeof *sizes);
    for (int64_t k = 0; k < head[0]; k++) {
        take(input, facts[k], sizeof facts[k]);
        buffers[k] = malloc((size_t)facts[k][0]);
        if (facts[k][1]) take(input, buffers[k], (size_t)facts[k][0]);
    }
    const int32_t failed = go_run(buffers, sizes, (int32_t)head[2]);
    for (int64_t k = 0; k < head[0]; k++) {
        if (!facts[k][1] && fwrite(buffers[k], 1, (size_t)facts[k][0], output) != (size_t)facts[k][0]) return 3;
        free(buffers[k]);
    }
    free(buffers), free(facts), free(sizes);
    return fclose(input) || fclose(output) ? 3 : failed;
}
