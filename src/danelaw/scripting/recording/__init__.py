"""Messages of the past as hooks and rules saw them: from files, mailboxes, queue and history, to be judged once more."""
