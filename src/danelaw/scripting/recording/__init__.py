"""Messages of the past as hooks and rules saw them, to be judged again: from files, mailboxes, queue and history."""
