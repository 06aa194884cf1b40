"""Work that several threads begin at the same moment."""

import threading


def at_once(count, work):
    """Run `work(number)` in as many threads, which begin together; raises what one of them raised."""
    gate, errors = threading.Barrier(count), []

    def run(number):
        gate.wait()
        try:
            work(number)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
