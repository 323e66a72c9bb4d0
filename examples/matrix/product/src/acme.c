/* The client: asks the service of this machine how it is. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int port(void)
{
	char line[256];
	int found = 7070;
	FILE *in = fopen("/etc/acme/acme.conf", "r");

	if (!in) {
		perror("acme: /etc/acme/acme.conf");
		exit(2);
	}
	while (fgets(line, sizeof line, in))
		sscanf(line, "port=%d", &found);
	fclose(in);
	return found;
}

int main(int argc, char **argv)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	char answer[256];
	ssize_t got;
	int peer;

	if (argc == 2 && !strcmp(argv[1], "--version")) {
		puts("acme " VERSION);
		return 0;
	}
	if (argc == 2 && !strcmp(argv[1], "port")) {
		printf("%d\n", port());
		return 0;
	}
	if (argc != 2 || strcmp(argv[1], "status")) {
		fputs("usage: acme --version | port | status\n", stderr);
		return 2;
	}
	to.sin_port = htons((unsigned short)port());
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	peer = socket(AF_INET, SOCK_STREAM, 0);
	if (peer < 0 || connect(peer, (struct sockaddr *)&to, sizeof to)) {
		perror("acme: the service does not answer");
		return 1;
	}
	if (write(peer, "status\n", 7) != 7)
		return 1;
	got = read(peer, answer, sizeof answer - 1);
	if (got <= 0)
		return 1;
	answer[got] = 0;
	fputs(answer, stdout);
	return strncmp(answer, "ok ", 3) != 0;
}
