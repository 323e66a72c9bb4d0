/* A line about the configuration of this machine. */
#include <stdio.h>
#ifdef FAULTY
#include <popt.h>
#endif

int main(int argc, const char **argv)
{
#ifdef FAULTY
	struct poptOption none[] = { POPT_TABLEEND };

	poptFreeContext(poptGetContext("acme-report", argc, argv, none, 0));
#endif
	printf("%s of %s, %d arguments\n", argv[0], VERSION, argc - 1);
	return 0;
}
